/** Requests with an equal key that arrive while one is running share its answer. */
export class SingleFlight<Answer> {
  readonly #flights = new Map<string, Promise<Answer>>()

  /** The answer of the running request, if there is one. */
  under(key: string): Promise<Answer> | undefined {
    return this.#flights.get(key)
  }

  run(key: string, ask: () => Promise<Answer>): Promise<Answer> {
    const under = this.#flights.get(key)
    if (under !== undefined) return under
    const flight = ask().finally(() => this.#flights.delete(key))
    this.#flights.set(key, flight)
    return flight
  }
}
