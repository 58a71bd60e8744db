/**
 * Rules of this repository that oxlint does not have.
 */
const noPushSpread = {
  meta: {
    type: "problem",
    docs: { description: "Spreading into push or unshift puts every element on the stack" }
  },
  create: (context) => ({
    CallExpression(node) {
      const callee = node.callee
      if (callee.type !== "MemberExpression" || callee.computed) return
      if (callee.property.name !== "push" && callee.property.name !== "unshift") return
      for (const argument of node.arguments) {
        if (argument.type === "SpreadElement") {
          context.report({
            node: argument,
            message: `A spread into ${callee.property.name} overflows the stack when the list is long: loop instead.`
          })
        }
      }
    }
  })
}

export default {
  meta: { name: "intentra" },
  rules: { "no-push-spread": noPushSpread }
}
