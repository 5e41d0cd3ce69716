import { ThreadChannel } from '../../messaging/thread-channel.ts'
import { startThread } from '../threads/threads.ts'
import type { CertificateMakers } from './webhook-certificates.ts'

/** Makes certificates in a thread that ends with each: what they are made with takes 10 MB, and is needed twice a year. */
export const passingMakers: CertificateMakers = {
  authority: (host) => during((makers) => makers.call('authority', host)),
  leaf: (authority, host) => during((makers) => makers.call('leaf', authority, host)),
}

async function during<Made>(
  make: (makers: ThreadChannel<CertificateMakers>) => Promise<Made>,
): Promise<Made> {
  const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const thread = startThread(new URL(`./maker-thread.${ending}`, import.meta.url), {})
  try {
    return await make(new ThreadChannel<CertificateMakers>(thread))
  } finally {
    await thread.terminate()
  }
}
