import type { MessagePort } from 'node:worker_threads'

interface Call {
  readonly id: number
  readonly method: string
  readonly values: readonly unknown[]
}

type Answer =
  { readonly id: number; readonly result: unknown } | { readonly id: number; readonly error: PlainError }

interface PlainError {
  readonly name: string
  readonly message: string
  readonly stack: string | undefined
}

type Asynchronous = Readonly<Record<string, (...values: never[]) => Promise<unknown>>>

/** Answers calls that another thread makes through `callsTo`, of these methods and no others. */
export function serveCalls<Target extends object>(
  port: MessagePort,
  target: Target,
  methods: readonly (keyof Target & string)[],
): void {
  port.on('message', ({ id, method, values }: Call) => {
    void answer(target, methods, method, values).then(
      (result) => port.postMessage({ id, result } satisfies Answer),
      (error: unknown) => {
        const { name, message, stack } = error instanceof Error ? error : new Error(String(error))
        port.postMessage({ id, error: { name, message, stack } } satisfies Answer)
      },
    )
  })
}

async function answer<Target extends object>(
  target: Target,
  methods: readonly (keyof Target & string)[],
  method: string,
  values: readonly unknown[],
): Promise<unknown> {
  const known = methods.find((each) => each === method)
  if (known === undefined) throw new TypeError(`no such call: ${method}`)
  return (target as unknown as Asynchronous)[known]?.(...(values as never[]))
}

/** The other thread's object, as if it were here. Calls reject when that thread has ended; they carry plain data. */
export function callsTo<Target extends object>(port: MessagePort): Target {
  const open = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  let lastId = 0
  let gone = false
  port.on('message', (reply: Answer) => {
    const waiting = open.get(reply.id)
    open.delete(reply.id)
    if ('error' in reply) waiting?.reject(Object.assign(new Error(reply.error.message), reply.error))
    else waiting?.resolve(reply.result)
  })
  port.on('close', () => {
    gone = true
    for (const { reject } of open.values()) reject(ended())
    open.clear()
  })
  const call = (method: string, values: readonly unknown[]): Promise<unknown> =>
    new Promise((resolve, reject) => {
      if (gone) return reject(ended())
      const id = ++lastId
      open.set(id, { resolve, reject })
      port.postMessage({ id, method, values } satisfies Call)
    })
  return new Proxy({} as Target, {
    get: (_, method) =>
      // Awaiting the object itself must not be taken for a call.
      typeof method === 'symbol' || method === 'then'
        ? undefined
        : (...values: unknown[]) => call(method, values),
  })
}

function ended(): Error {
  return new Error('the thread that answers has ended')
}
