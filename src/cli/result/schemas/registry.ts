import { z } from 'zod'
import { loadKinds } from '../../../image/load-plan.ts'
import { bytes, count, digest, document, time } from './document.ts'

const repository = {
  repository: z.string(),
  tags: count.optional().describe('how many it has; absent: they may not be listed'),
  manifests: count.optional().describe('this and the next two are absent where the registry is not trow'),
  bytes: bytes.optional().describe('of manifests and blobs; content that is shared within it counts once'),
  pushedAt: time.optional().describe('when a manifest or a tag was pushed last'),
}

const tag = {
  repository: z.string(),
  tag: z.string(),
  digest: digest.optional(),
  mediaType: z.string().optional(),
  bytes: bytes.optional().describe('of config and layers; of an index, of all its images'),
  platforms: z.array(z.string()).optional().describe('as linux/arm64/v8'),
  created: z
    .string()
    .optional()
    .describe('as the image says; of an index without a date, of its first image'),
  problem: z.string().optional().describe('why the image cannot be shown; then there is no digest'),
}

const untagged = {
  repository: z.string(),
  digest,
  mediaType: z.string(),
  artifactType: z.string().optional(),
  size: bytes.describe('bytes of the manifest itself'),
  untaggedSince: time,
  frees: bytes.optional().describe('bytes that its removal frees; absent: more than the registry counts'),
  children: count.optional().describe('manifests of this index'),
}

const descriptor = z.object({
  mediaType: z.string(),
  digest,
  size: bytes,
  artifactType: z.string().optional(),
  annotations: z.record(z.string(), z.string()).optional(),
  platform: z.record(z.string(), z.unknown()).optional(),
})

const referrer = z.object({
  digest,
  mediaType: z.string(),
  artifactType: z.string().optional(),
  size: bytes,
  get referrers() {
    return z.array(referrer)
  },
})

const seen = {
  since: z.iso.datetime({ offset: true }).describe('RFC 3339'),
  atLatest: z.boolean().describe('true: it may be older; the registry kept no history at that time'),
  pusher: z.string().optional(),
}

const config = z.object({
  platform: z.string(),
  digest: digest.describe('of the manifest'),
  created: z.string().optional(),
  author: z.string().optional(),
  user: z.string().optional(),
  env: z.array(z.string()),
  entrypoint: z.array(z.string()),
  cmd: z.array(z.string()),
  workingDir: z.string().optional(),
  stopSignal: z.string().optional(),
  exposedPorts: z.array(z.string()),
  volumes: z.array(z.string()),
  labels: z.record(z.string(), z.string()),
  history: z
    .array(
      z.object({
        created: z.string().optional(),
        createdBy: z.string().optional(),
        comment: z.string().optional(),
        emptyLayer: z.boolean().describe('true: the step added no layer'),
      }),
    )
    .describe('the steps that made it, oldest first'),
})

/** What a push or a copy sent. */
const sent = {
  blobs: count.describe('of the image'),
  sentBlobs: count.describe('those that the registry did not have'),
  sentBytes: bytes,
}

const usage = {
  bytes: bytes.describe('content that is shared counts once'),
  frees: bytes.describe('what its deletion frees once nothing else needs it'),
}

export const registryResults = {
  Repository: document('Repository', 'A line of trow list', repository),
  RepositoryList: document('RepositoryList', 'trow list', {
    items: z.array(z.object(repository)),
    next: z.string().optional().describe('there are more: --after with this repository lists them'),
  }),
  Tag: document('Tag', 'A line of trow list REPOSITORY', tag),
  TagList: document('TagList', 'trow list REPOSITORY', {
    items: z.array(z.object(tag)),
    next: z.string().optional().describe('there are more: --after with this tag lists them'),
  }),
  UntaggedManifest: document('UntaggedManifest', 'A line of trow list REPOSITORY --untagged', untagged),
  UntaggedManifestList: document('UntaggedManifestList', 'trow list REPOSITORY --untagged', {
    expireAfterSeconds: z.number().optional().describe('a rule removes them then; absent: they stay'),
    items: z.array(z.object(untagged)),
  }),
  Image: document('Image', 'trow inspect', {
    repository: z.string(),
    reference: z.string().describe('the tag or digest that was asked for'),
    digest,
    mediaType: z.string(),
    artifactType: z.string().optional(),
    size: bytes.describe('bytes of the manifest itself'),
    bytes: bytes.describe('bytes of config and layers; of an index, of all its images'),
    platforms: z.array(z.string()),
    created: z.string().optional().describe('as the image says'),
    firstSeen: z.object(seen).optional(),
    targets: z
      .array(
        z.object({
          ...seen,
          digest,
          until: z.iso.datetime({ offset: true }).optional(),
          end: z.enum(['moved', 'removed']).optional(),
        }),
      )
      .optional()
      .describe('what the tag points to and pointed to before, latest first'),
    annotations: z.record(z.string(), z.string()).optional(),
    subject: descriptor.optional(),
    config: descriptor.optional(),
    layers: z.array(descriptor),
    manifests: z.array(descriptor),
    image: config.optional().describe('the config of the image; of an index, of the image of one platform'),
    referrers: z.array(referrer),
  }),
  RegistryUsage: document('RegistryUsage', 'trow du', {
    bytes: usage.bytes,
    repositories: z.array(z.object({ repository: z.string(), tags: count, manifests: count, ...usage })),
  }),
  RepositoryUsage: document('RepositoryUsage', 'trow du REPOSITORY', {
    repository: z.string(),
    bytes: usage.bytes,
    images: z.array(
      z.object({
        tag: z.string().optional().describe('absent: no tag, no index and no subject needs it'),
        digest,
        ...usage,
      }),
    ),
  }),
  ImageUsage: document('ImageUsage', 'trow du REPOSITORY:TAG', {
    repository: z.string(),
    reference: z.string().describe('the tag or digest that was asked for'),
    digest,
    ...usage,
    neededBy: z.string().optional().describe('why its deletion frees nothing: an index or another tag'),
  }),
  Push: document('Push', 'trow push', {
    host: z.string(),
    repository: z.string(),
    tag: z.string(),
    digest,
    ...sent,
  }),
  Pull: document('Pull', 'trow pull', {
    host: z.string(),
    repository: z.string(),
    tag: z.string().optional(),
    digest,
    to: z.string().describe('a folder, a file, or an engine'),
    blobs: count.describe('of the image'),
    pulledBlobs: count.describe('those that were not there'),
    pulledBytes: bytes,
  }),
  Copy: document('Copy', 'trow copy', {
    host: z.string().describe('of the target, as the next two'),
    repository: z.string(),
    tag: z.string().optional(),
    digest,
    manifests: count,
    referrers: count,
    ...sent,
  }),
  ImageSave: document('ImageSave', 'trow image save', {
    file: z.string(),
    name: z.string().describe('what the image is called in it'),
    digest,
    platforms: z.array(z.object({ platform: z.string(), bytes })),
  }),
  ImageLoad: document('ImageLoad', 'trow image load', {
    name: z.string().describe('what the image is called there'),
    target: z.enum(loadKinds),
    digest: digest.optional().describe('absent with --dry-run'),
    isDryRun: z.boolean(),
    commands: z.array(z.string()).describe('those that were run, or would be'),
  }),
  ImagePush: document('ImagePush', 'trow image push', {
    host: z.string(),
    repository: z.string(),
    tag: z.string(),
    digest,
  }),
  Tagging: document('Tagging', 'trow tag', {
    repository: z.string(),
    digest,
    tags: z.array(z.string()).describe('those that point to it now'),
  }),
  Removal: document('Removal', 'trow rm', {
    repository: z.string(),
    tag: z.string().optional().describe('the tag that was removed; absent: the manifest with all its tags'),
    digest,
    isManifestKept: z.boolean(),
    expires: time.optional().describe('when a rule of the registry removes the manifest'),
    frees: bytes.optional().describe('bytes that the removal of the manifest would free'),
  }),
}
