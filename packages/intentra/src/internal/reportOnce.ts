/** Reports each subject the first time only: what always throws, or what every worker says, must not fill the log. */
export const reportOnce = <A>(report: (subject: string, detail: A) => void): (subject: string, detail: A) => void => {
  const reported = new Set<string>()
  return (subject, detail) => {
    if (reported.has(subject)) return
    reported.add(subject)
    report(subject, detail)
  }
}
