import { MessageChannel, type MessagePort, type Worker } from 'node:worker_threads'
import { ThreadChannel } from '../../messaging/thread-channel.ts'
import type { ServedSide } from './thread-protocol.ts'
import { ended, startThread } from './threads.ts'

/** A thread of which there is one, asked by all others over ports of their own; main's side of it. */
export class ServedThread {
  readonly ended: Promise<void>
  readonly channel: ThreadChannel<ServedSide>

  private constructor(thread: Worker, channel: ThreadChannel<ServedSide>) {
    this.channel = channel
    this.ended = ended(thread)
  }

  /** Resolves when it is ready. Throws what its `start` throws. */
  static async start(
    module: string,
    data: object,
    transfer: readonly MessagePort[],
    options: {
      /** What main answers it. */
      readonly local: object
      readonly onError: (error: Error) => void
    },
  ): Promise<ServedThread> {
    const thread = startThread(module, data, transfer)
    thread.on('error', (error) => options.onError(error as Error))
    const channel = new ThreadChannel<ServedSide>(thread, options.local)
    try {
      await channel.call('start')
    } catch (error) {
      await thread.terminate()
      throw error
    }
    return new ServedThread(thread, channel)
  }

  /** A port for another thread to ask on. */
  attach(): MessagePort {
    const { port1, port2 } = new MessageChannel()
    this.channel.tell('attach', [port1], [port1])
    return port2
  }

  async stop(): Promise<void> {
    this.channel.tell('stop', [])
    await this.ended
  }
}
