import type { NodeReport } from '../cluster/node-report.ts'
import { CriFault, type Cri } from './cri.ts'

export type CanaryResult = NonNullable<NodeReport['canary']>

const limit = 60_000

/**
 * Removes the canary and pulls it again as the kubelet would. A fault of the runtime is part of the result;
 * rejects for other errors.
 */
export async function pullCanary(parts: {
  readonly cri: Cri
  /** `trow.trow.svc/trow/canary@sha256:…`. */
  readonly image: string
  readonly now: () => number
  readonly credential?: (() => Promise<string>) | undefined
}): Promise<CanaryResult> {
  const { cri, image, now, credential } = parts
  const time = new Date(now()).toISOString()
  const begin = performance.now()
  const finish = (ok: boolean, error?: string): CanaryResult => ({
    time,
    image,
    ok,
    milliseconds: Math.round(performance.now() - begin),
    ...(error === undefined ? {} : { error }),
  })
  try {
    await forgetCanary(cri, image)
    await cri.pullImage(image, limit, await credential?.().catch(() => undefined))
    return finish(true)
  } catch (error) {
    if (error instanceof CriFault) return finish(false, error.message)
    throw error
  }
}

/**
 * Removes the image only if all its names are in the canary's repository: another image of the same content
 * stays.
 */
export async function forgetCanary(cri: Cri, image: string): Promise<void> {
  const present = await cri.imageStatus(image)
  if (present === undefined || present.pinned) return
  const repository = repositoryOf(image)
  if (present.references.every((each) => repositoryOf(each) === repository)) await cri.removeImage(image)
}

function repositoryOf(reference: string): string {
  const [name = ''] = reference.split('@')
  return name.replace(/:[^/:]*$/, '')
}
