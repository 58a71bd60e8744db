/** What a scenario asks of one of its processes. */
export interface Question {
  readonly id: number
  readonly question: string
  readonly argument: unknown
}

/** What that answers. */
export interface Answer {
  readonly id: number
  readonly value?: unknown
  readonly error?: string
}

/** Answers by name of the question. */
export type Handlers = { readonly [question: string]: (argument: never) => unknown }
