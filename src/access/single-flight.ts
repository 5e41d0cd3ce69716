/** Equal questions that come while one is being answered wait for its answer. */
export class SingleFlight<Answer> {
  readonly #flights = new Map<string, Promise<Answer>>()

  /** The answer that is being waited for. */
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
