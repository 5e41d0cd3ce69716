import { titleOf, type ContainerEngine } from '../../trust/docker/engine.ts'
import { prove, type ProofResult } from '../../trust/docker/proof.ts'
import { proofImage } from '../../trust/docker/proof-image.ts'
import { exitCode, UserError } from '../../user-error.ts'
import type { Result } from '../result/print-result.ts'
import type { Terminal } from '../streams.ts'
import type { OpenEngine } from './engine-images.ts'

export interface EngineProofOptions {
  readonly open: OpenEngine
  readonly engine: ContainerEngine
  readonly host: string
  readonly repository: string
  /** True if Docker Desktop or OrbStack was restarted just before. */
  readonly restarted: boolean
}

const pause = 2000

/**
 * Pushes and pulls through the engine, and returns the image; `undefined` if the engine does not answer. Throws
 * UserError PROOF_FAILED, PROOF_NOT_PERMITTED.
 */
export async function proveEngine(
  options: EngineProofOptions,
  { stdout, stderr }: Pick<Terminal, 'stdout' | 'stderr'>,
): Promise<Result<'EngineTrust'>['proof']> {
  const { open, engine, host, repository } = options
  let info = await open.info()
  for (let attempt = 0; info === undefined && options.restarted && attempt < 30; attempt++) {
    await new Promise((resolve) => setTimeout(resolve, pause))
    info = await open.info()
  }
  if (info === undefined) {
    stderr.write(`  ${titleOf(engine)} does not answer: nothing was proved. Run this again once it does.\n`)
    return undefined
  }
  const target = { repository: `${host}/${repository}`, tag: 'proof' }
  const archive = await proofImage(`${target.repository}:${target.tag}`, info.architecture)
  const result = await prove(open.images, { ...target, archive })
  if (result.kind === 'denied' && (await open.hasLogin(host)) === false) {
    // dockerd also reports "denied" if it had no credentials to send.
    throw explained({ ...result, kind: 'login' }, options)
  }
  if (result.kind !== 'proved') throw explained(result, options)
  const digest = result.digest === undefined ? '' : `@${result.digest}`
  stdout.write(`proved: pushed and pulled ${target.repository}:${target.tag}${digest} over verified TLS\n`)
  return { reference: `${target.repository}:${target.tag}`, digest: result.digest }
}

export function printReferences(
  { kind }: ContainerEngine,
  host: string,
  imageHost: string,
  { stdout }: Terminal,
): void {
  const tool = kind === 'podman' || kind === 'podman-machine' ? 'podman' : 'docker'
  stdout.write(`to push:  ${tool} push ${host}/NAMESPACE/IMAGE:TAG\n`)
  stdout.write(`in a pod: image: ${imageHost}/NAMESPACE/IMAGE:TAG\n`)
}

function explained(
  { kind, step, reason }: Exclude<ProofResult, { kind: 'proved' }>,
  { engine, host, repository }: EngineProofOptions,
): UserError {
  const title = titleOf(engine)
  const said = `${title} refused to ${step} ${host}/${repository}:proof: ${reason}`
  switch (kind) {
    case 'login':
      return new UserError('PROOF_NOT_PERMITTED', said, {
        hint: `${title} trusts ${host} now. Run: trow login ${host}, then this again.`,
        exitCode: exitCode.notPermitted,
      })
    case 'denied':
      return new UserError('PROOF_NOT_PERMITTED', said, {
        hint: `${title} trusts ${host} now. Push to a repository that you may write: --repository NAMESPACE/NAME.`,
        exitCode: exitCode.notPermitted,
      })
    case 'untrusted':
      return new UserError('PROOF_FAILED', said, {
        hint: 'Either this is not the CA of that registry, or the engine has not read it yet: restart it.',
      })
    case 'failed':
      return new UserError('PROOF_FAILED', said, {
        hint: 'Is the address right, and is trow connect running, if it is its address?',
      })
  }
}
