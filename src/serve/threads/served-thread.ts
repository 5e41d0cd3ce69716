import { MessageChannel, type MessagePort, type Worker } from 'node:worker_threads'
import { ThreadChannel } from '../../messaging/thread-channel.ts'
import type { ServedSide } from './thread-protocol.ts'
import { ended, startThread } from './threads.ts'
import { errorOf } from '../../reason-of.ts'

/**
 * Main's side of a thread of which there is only one, and which the other threads call over ports of their
 * own.
 */
export class ServedThread {
  readonly ended: Promise<void>
  readonly channel: ThreadChannel<ServedSide>

  private constructor(thread: Worker, channel: ThreadChannel<ServedSide>) {
    this.channel = channel
    this.ended = ended(thread)
  }

  /** Resolves when the thread is ready. Throws what the thread's `start` throws. */
  static async start(
    module: string,
    data: object,
    transfer: readonly MessagePort[],
    options: {
      /** The methods with which main answers the thread. */
      readonly local: object
      readonly onError: (error: Error) => void
    },
  ): Promise<ServedThread> {
    const thread = startThread(module, data, transfer)
    thread.on('error', (error) => options.onError(errorOf(error)))
    const channel = new ThreadChannel<ServedSide>(thread, options.local)
    try {
      await channel.call('start')
    } catch (error) {
      await thread.terminate()
      throw error
    }
    return new ServedThread(thread, channel)
  }

  /** Returns a port over which another thread can call this one. */
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
