import { connect, createServer, type AddressInfo } from 'node:net'

/** A way to PostgreSQL that can keep an answer back. */
export interface HoldingProxy {
  readonly port: number
  /**
   * Keeps back everything that the server says from its answer to the next statement on that contains `text`.
   * Resolves when the server has answered it.
   */
  hold(text: string): Promise<void>
  /** Hands on what was kept back. */
  release(): void
  close(): void
}

export async function startHoldingProxy(target: {
  readonly host: string
  readonly port: number
}): Promise<HoldingProxy> {
  let wanted: { readonly text: string; readonly answered: () => void } | undefined
  let kept: (() => void)[] | undefined
  const server = createServer((near) => {
    const far = connect(target.port, target.host)
    near.on('data', (chunk: Buffer) => {
      if (wanted !== undefined && chunk.includes(wanted.text)) kept = []
      far.write(chunk)
    })
    far.on('data', (chunk: Buffer) => {
      if (kept === undefined) return near.write(chunk)
      kept.push(() => near.write(chunk))
      wanted?.answered()
      return undefined
    })
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const)
      one.on('error', () => other.destroy()).on('close', () => other.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, target.host, resolve))
  return {
    port: (server.address() as AddressInfo).port,
    hold: (text) => new Promise((answered) => (wanted = { text, answered })),
    release() {
      const held = kept ?? []
      wanted = kept = undefined
      for (const pass of held) pass()
    },
    close: () => void server.close(),
  }
}
