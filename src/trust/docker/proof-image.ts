import { createHash } from 'node:crypto'
import tar from 'tar-stream'

/**
 * Returns a docker-archive with one image of one small file. The bytes are the same each time, so that a
 * second push adds nothing to a registry.
 */
export async function proofImage(reference: string, architecture: string): Promise<Uint8Array> {
  const layer = await archiveOf({
    'trow.txt': 'Pushed and pulled by trow trust-docker, to see whether that works.\n',
  })
  const config = JSON.stringify({
    architecture,
    os: 'linux',
    created: '1970-01-01T00:00:00Z',
    config: {},
    rootfs: { type: 'layers', diff_ids: [`sha256:${sha256(layer)}`] },
    history: [{ created: '1970-01-01T00:00:00Z', created_by: 'trow trust-docker' }],
  })
  const [configName, layerName] = [`${sha256(config)}.json`, `${sha256(layer)}/layer.tar`]
  const manifest = [{ Config: configName, RepoTags: [reference], Layers: [layerName] }]
  return archiveOf({
    [configName]: config,
    [layerName]: layer,
    'manifest.json': JSON.stringify(manifest),
  })
}

async function archiveOf(files: Readonly<Record<string, string | Uint8Array>>): Promise<Buffer> {
  const pack = tar.pack()
  for (const [name, content] of Object.entries(files)) {
    pack.entry({ name, mtime: new Date(0), mode: 0o644 }, Buffer.from(content))
  }
  pack.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of pack) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}
