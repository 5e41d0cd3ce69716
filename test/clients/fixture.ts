import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import tar from 'tar-stream'
import { startedServer, type ServerProcess } from '../support/server-process.ts'

/** A real server, and a folder for the clients' files. `close` removes both. */
export interface Fixture {
  readonly server: ServerProcess
  /** host:port */
  readonly host: string
  readonly folder: string
  /** HOME and configuration folders of the clients, empty at first. */
  readonly env: Readonly<Record<string, string>>
  close(): Promise<void>
}

export async function openFixture(): Promise<Fixture> {
  // Podman makes an image name of the path, so that the path must be lowercase.
  const folder = join(tmpdir(), `trow-clients-${randomBytes(6).toString('hex')}`)
  mkdirSync(folder)
  const server = await startedServer({ data: join(folder, 'data') })
  const env = makeHome(join(folder, 'home'))
  return {
    server,
    host: new URL(server.url).host,
    folder,
    env,
    async close() {
      await server.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Makes a new folder for the state of clients, above all logins. Returns the environment variables that point to it. */
export function makeHome(home: string): Readonly<Record<string, string>> {
  mkdirSync(home)
  writeFileSync(join(home, 'config.json'), '{}')
  return {
    HOME: home,
    XDG_RUNTIME_DIR: home,
    XDG_CONFIG_HOME: home,
    XDG_DATA_HOME: home,
    XDG_CACHE_HOME: home,
    DOCKER_CONFIG: home,
  }
}

/** An image with one layer as an OCI layout (image-spec "image-layout.md"); returns its manifest's digest. */
export function writeImageLayout(folder: string, layerBytes = 300_000): Promise<string> {
  return writeLayoutOf(folder, { 'hello.txt': randomBytes(layerBytes) })
}

/** Makes the same image with these files in its layer. */
export async function writeLayoutOf(
  folder: string,
  content: Readonly<Record<string, Buffer>>,
): Promise<string> {
  const blobs = join(folder, 'blobs', 'sha256')
  mkdirSync(blobs, { recursive: true })
  const put = (bytes: Buffer): { digest: string; size: number } => {
    const hex = createHash('sha256').update(bytes).digest('hex')
    writeFileSync(join(blobs, hex), bytes)
    return { digest: `sha256:${hex}`, size: bytes.length }
  }
  const files = await tarOf(content)
  const layer = put(gzipSync(files))
  const diff = `sha256:${createHash('sha256').update(files).digest('hex')}`
  const config = put(
    Buffer.from(
      JSON.stringify({
        architecture: 'amd64',
        os: 'linux',
        config: {},
        rootfs: { type: 'layers', diff_ids: [diff] },
      }),
    ),
  )
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const manifest = put(
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType,
        config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
        layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', ...layer }],
      }),
    ),
  )
  const annotations = { 'org.opencontainers.image.ref.name': 'latest' }
  writeFileSync(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  writeFileSync(
    join(folder, 'index.json'),
    JSON.stringify({ schemaVersion: 2, manifests: [{ mediaType, ...manifest, annotations }] }),
  )
  return manifest.digest
}

export async function tarOf(files: Readonly<Record<string, Buffer>>): Promise<Buffer> {
  const pack = tar.pack()
  for (const [name, content] of Object.entries(files)) pack.entry({ name }, content)
  pack.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of pack) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
