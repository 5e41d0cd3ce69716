import { counted } from '../counted.ts'
import type { EncodedAuditRecord } from '../metadata/outbox.ts'
import type { ManifestReference, NewManifest, PutManifestResult } from '../metadata/records.ts'
import { digestAlgorithm, isDigest, digestOfBytes, type Digest } from '../oci/digest.ts'
import { largeBody, parseManifest, parseManifestInTurns, type Manifest } from '../oci/manifest.ts'
import { OciError, type OciErrorCode } from '../oci/oci-error.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Reference } from '../oci/tag.ts'
import { BodyTurns } from './body-turns.ts'
import { judgedChange } from './judged-change.ts'
import { judgedManifest } from './judged-manifest.ts'
import type { ManifestContent, Manifests, PutManifestOptions, PutManifestReply } from './registry.ts'
import type { Requester } from './requester.ts'
import type { RegistryParts } from './settings.ts'
import { isRemoved, requireRoom } from './store-refusals.ts'

type ParsedPush = Pick<NewManifest, 'repository' | 'digest' | 'tags' | 'pusher' | 'body'> & {
  readonly manifest: Manifest
}

export class ManifestRules implements Manifests {
  readonly #parts: RegistryParts
  readonly #turns = new BodyTurns()

  constructor(parts: RegistryParts) {
    this.#parts = parts
  }

  get sizeLimit(): number {
    return this.#parts.limits.manifestLimit
  }

  get(
    requester: Requester,
    repository: RepositoryName,
    reference: Reference,
  ): Promise<ManifestContent | undefined> {
    return judgedManifest(this.#parts, requester, repository, reference)
  }

  async put({
    requester,
    repository,
    reference,
    tags,
    contentType,
    body,
  }: PutManifestOptions): Promise<PutManifestReply> {
    const { blobs, guard } = this.#parts
    const change = { action: 'push', repository, reference } as const
    const auditRecord = requester.auditRecord(change)
    await requireRoom(blobs)
    const turn = this.#turns.take(body.byteLength)
    if (turn !== undefined) await turn
    const manifest =
      body.byteLength < largeBody
        ? parseManifest(body, contentType)
        : await this.#parseLarge(body, contentType)
    const digest = digestOf(body, reference)
    const allTags = isDigest(reference) ? tags : [reference]
    const parts = { repository, digest, tags: allTags, pusher: requester.name, manifest, body }
    const result =
      guard === undefined
        ? await this.#store(parts, auditRecord, undefined)
        : await judgedChange(
            guard,
            () => guard.pushManifest({ ...parts, requester, byDigest: isDigest(reference) }),
            ({ isRecorded, registryGeneration }) =>
              this.#store(
                parts,
                isRecorded ? requester.auditRecord(change) : auditRecord,
                registryGeneration,
              ),
          )
    if (result.kind === 'missing') throw missingContent(result.missing)
    if (result.kind === 'other-size') throw otherSizes(result.others)
    return { digest, subject: manifest.subject?.digest, tags: allTags }
  }

  #store(
    { manifest, ...parts }: ParsedPush,
    auditRecord: EncodedAuditRecord | undefined,
    policyGeneration: number | undefined,
  ): Promise<PutManifestResult> {
    const { metadata, now, limits } = this.#parts
    return metadata.putManifest({
      ...parts,
      mediaType: manifest.mediaType,
      artifactType: manifest.artifactType,
      annotations: manifest.annotations && JSON.stringify(manifest.annotations),
      subject: manifest.subject?.digest,
      references: manifest.references,
      allowMissing: limits.allowMissing,
      allowSparseIndex: limits.allowSparseIndex,
      now: now(),
      auditRecord,
      policyGeneration,
    })
  }

  async #parseLarge(body: Uint8Array, contentType: string | undefined): Promise<Manifest> {
    const another = async (): Promise<void> => this.#turns.take()
    const manifest = await parseManifestInTurns(body, contentType, another)
    await another()
    return manifest
  }

  async remove(requester: Requester, repository: RepositoryName, reference: Reference): Promise<boolean> {
    const { metadata, now } = this.#parts
    const auditRecord = requester.auditRecord({ action: 'delete', repository, reference })
    return isDigest(reference)
      ? isRemoved(await metadata.deleteManifest({ repository, digest: reference, now: now(), auditRecord }))
      : metadata.deleteTag({ repository, tag: reference, now: now(), auditRecord })
  }
}

/** In the algorithm of the reference. Throws OciError DIGEST_INVALID if a digest reference differs. */
function digestOf(body: Uint8Array, reference: Reference): Digest {
  const algorithm = isDigest(reference) ? digestAlgorithm(reference) : 'sha256'
  const digest = digestOfBytes(algorithm, body)
  if (!isDigest(reference) || reference === digest) return digest
  throw new OciError('DIGEST_INVALID', 'the digest does not match the manifest', {
    detail: `the body has the digest ${digest}`,
  })
}

function missingContent(missing: readonly ManifestReference[]): OciError {
  return severalErrors(
    'MANIFEST_BLOB_UNKNOWN',
    'the manifest refers to content that is not in the repository',
    missing.map(({ digest, kind }) => ({
      digest,
      hint:
        kind === 'manifest'
          ? 'push it before the index, or have the registry take sparse indexes (allow-sparse-index)'
          : 'push or mount it before the manifest',
    })),
  )
}

function otherSizes(
  others: readonly { readonly reference: ManifestReference; readonly size: number }[],
): OciError {
  return severalErrors(
    'SIZE_INVALID',
    'the manifest names content with another size than it has',
    others.map(({ reference: { digest, size: named }, size }) => ({
      digest,
      hint: `it has ${counted(size, 'byte')}, its descriptor says ${named}`,
    })),
  )
}

function severalErrors(code: OciErrorCode, message: string, details: readonly object[]): OciError {
  const entries = details.map((detail) => ({ code, message, detail }))
  return new OciError(code, message, { detail: details[0], entries })
}
