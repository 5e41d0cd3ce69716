/** Stands in for `node:test` where only one thing is asked: whether a test fails. Tests must be synchronous. */
export function test(name: string, body: () => unknown): void {
  try {
    if (body() instanceof Promise) throw new Error(`${name} is asynchronous`)
  } catch {
    process.exit(1)
  }
}

export function suite(_name: string, body: () => void): void {
  body()
}
