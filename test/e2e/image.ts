import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import tar from 'tar-stream'
import { findProgram } from '../requirements.ts'

export interface ImageFile {
  readonly path: string
  readonly content?: Buffer
  /** The target of a symbolic link, instead of content. */
  readonly link?: string
}

export interface Image {
  /** Reference in pods: `trow.test/busybox:1` */
  readonly name: string
  readonly files: readonly ImageFile[]
  /** The `config` object of the image's configuration. */
  readonly config: Readonly<Record<string, unknown>>
}

const commands = ['sh', 'sleep', 'cat', 'ls', 'mkdir', 'httpd', 'nc', 'wget', 'id']

/** An image for all pods, and for their sandboxes. */
export function busyboxImage(): Image {
  const busybox = findProgram('busybox')
  if (busybox === undefined) throw new Error('busybox is not installed')
  return {
    name: 'trow.test/busybox:1',
    files: [
      { path: 'bin/busybox', content: readFileSync(busybox) },
      ...commands.map((name) => ({ path: `bin/${name}`, link: 'busybox' })),
    ],
    config: { Env: ['PATH=/bin'], Entrypoint: ['/bin/busybox', 'sleep', '100000'] },
  }
}

/** Writes an image with one layer as an archive of its OCI layout, to be imported by containerd. */
export async function writeImageArchive(archive: string, { name, files, config }: Image): Promise<void> {
  const layer = await tarOf(files)
  const layerDigest = digestOf(layer)
  const configuration = Buffer.from(
    JSON.stringify({
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      os: 'linux',
      config,
      rootfs: { type: 'layers', diff_ids: [layerDigest] },
    }),
  )
  const oci = 'application/vnd.oci.image'
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: `${oci}.manifest.v1+json`,
      config: descriptor(`${oci}.config.v1+json`, configuration),
      layers: [descriptor(`${oci}.layer.v1.tar`, layer)],
    }),
  )
  const annotations = { 'io.containerd.image.name': name }
  const manifests = [{ ...descriptor(`${oci}.manifest.v1+json`, manifest), annotations }]
  const blobs = [layer, configuration, manifest].map((content) => ({
    path: `blobs/${digestOf(content).replace(':', '/')}`,
    content,
  }))
  writeFileSync(
    archive,
    await tarOf([
      { path: 'oci-layout', content: Buffer.from('{"imageLayoutVersion":"1.0.0"}') },
      { path: 'index.json', content: Buffer.from(JSON.stringify({ schemaVersion: 2, manifests })) },
      ...blobs,
    ]),
  )
}

function descriptor(mediaType: string, content: Buffer): object {
  return { mediaType, digest: digestOf(content), size: content.length }
}

function digestOf(content: Buffer): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`
}

async function tarOf(files: readonly ImageFile[]): Promise<Buffer> {
  const pack = tar.pack()
  for (const { path, content, link } of files) {
    if (link === undefined) pack.entry({ name: path, mode: 0o755 }, content ?? Buffer.alloc(0))
    else pack.entry({ name: path, type: 'symlink', linkname: link })
  }
  pack.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of pack) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
