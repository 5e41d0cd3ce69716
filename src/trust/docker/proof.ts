/** The result of an operation: a digest, or the engine's own message if it refused. */
export type ImageOutcome = { readonly digest: string | undefined } | { readonly refused: string }

/** The operations of an engine that a proof needs. */
export interface EngineImages {
  load(archive: Uint8Array): Promise<ImageOutcome>
  push(repository: string, tag: string): Promise<ImageOutcome>
  pull(repository: string, tag: string): Promise<ImageOutcome>
  /** A missing image is not an error. */
  remove(reference: string): Promise<void>
}

export type ProofResult =
  | { readonly kind: 'proved'; readonly digest: string | undefined }
  | {
      /**
       * `untrusted`: TLS failed; `login`: the registry asks for credentials; `denied`: the credentials have
       * no right; `failed`: any other reason.
       */
      readonly kind: 'untrusted' | 'login' | 'denied' | 'failed'
      readonly step: 'load' | 'push' | 'pull'
      readonly reason: string
    }

/** Pushes an image, removes it from the engine and pulls it again. The image is removed afterwards. */
export async function prove(
  images: EngineImages,
  {
    repository,
    tag,
    archive,
  }: { readonly repository: string; readonly tag: string; readonly archive: Uint8Array },
): Promise<ProofResult> {
  const reference = `${repository}:${tag}`
  try {
    const loaded = await images.load(archive)
    if ('refused' in loaded) return failure('load', loaded.refused)
    const pushed = await images.push(repository, tag)
    if ('refused' in pushed) return failure('push', pushed.refused)
    await images.remove(reference)
    const pulled = await images.pull(repository, tag)
    if ('refused' in pulled) return failure('pull', pulled.refused)
    return { kind: 'proved', digest: pulled.digest ?? pushed.digest }
  } finally {
    await images.remove(reference).catch(() => undefined)
  }
}

/** Engines report an error only as text. The kind selects the hint; the text is always printed. */
function failure(step: 'load' | 'push' | 'pull', reason: string): ProofResult {
  const words: readonly (readonly ['untrusted' | 'login' | 'denied', RegExp])[] = [
    ['untrusted', /x509|certificate|tls: |HTTP response to HTTPS client/i],
    ['login', /unauthorized|authentication required|no basic auth|\b401\b/i],
    ['denied', /denied|forbidden|\b403\b/i],
  ]
  const kind = words.find(([, pattern]) => pattern.test(reason))?.[0] ?? 'failed'
  return { kind: step === 'load' ? 'failed' : kind, step, reason }
}
