import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdtemp, open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Gzip } from 'fflate'
import { makeFolder } from '../new-folder.ts'
import { makeDigest, type Digest } from '../oci/digest.ts'
import { writeTar } from './tar-writer.ts'
import type { Layer } from './layer.ts'

/** Increased when the same inputs produce other bytes. */
const format = 1

export interface StoredLayer {
  readonly title: string
  /** The digest of the gzipped tar. */
  readonly digest: Digest
  readonly size: number
  /** The digest of the tar. */
  readonly diffId: Digest
  readonly path: string
}

/** A cache of layers in a folder that may be emptied at any time. */
export class LayerStore {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  /** Returns a layer from the folder if it is there and complete; otherwise makes it. */
  async make(layer: Layer): Promise<StoredLayer> {
    const key = createHash('sha256')
      .update(JSON.stringify([format, layer.title, layer.inputs]))
      .digest('hex')
    const [path, facts] = [join(this.#folder, `${key}.tar.gz`), join(this.#folder, `${key}.json`)]
    const known = await readFacts(facts)
    if (known !== undefined && (await digestOf(path)) === known.digest)
      return { ...known, title: layer.title, path }
    makeFolder(this.#folder, 0o755)
    const staged = await mkdtemp(join(this.#folder, 'new-'))
    try {
      const made = await write(layer, join(staged, 'layer'))
      await writeFile(join(staged, 'facts'), JSON.stringify(made))
      await rename(join(staged, 'layer'), path)
      await rename(join(staged, 'facts'), facts)
      return { ...made, title: layer.title, path }
    } finally {
      await rm(staged, { recursive: true, force: true })
    }
  }
}

type LayerFacts = Pick<StoredLayer, 'digest' | 'size' | 'diffId'>

/**
 * The output of Node's own zlib depends on the processor and the version; this library writes the same bytes
 * everywhere. RFC 1952, without time and name.
 */
async function write(layer: Layer, path: string): Promise<LayerFacts> {
  const [diff, whole] = [createHash('sha256'), createHash('sha256')]
  let size = 0
  let ready: Uint8Array[] = []
  const gzip = new Gzip({ level: 6, mtime: 0 }, (bytes) => ready.push(bytes))
  await using target = await open(path, 'w')
  const flush = async (): Promise<void> => {
    for (const bytes of ready) {
      whole.update(bytes)
      size += bytes.length
      await target.writeFile(bytes)
    }
    ready = []
  }
  for await (const bytes of writeTar(await layer.entries())) {
    diff.update(bytes)
    gzip.push(bytes)
    await flush()
  }
  gzip.push(new Uint8Array(0), true)
  await flush()
  return {
    digest: makeDigest('sha256', whole.digest('hex')),
    size,
    diffId: makeDigest('sha256', diff.digest('hex')),
  }
}

async function readFacts(path: string): Promise<LayerFacts | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as LayerFacts
  } catch {
    return undefined
  }
}

async function digestOf(path: string): Promise<string | undefined> {
  const hash = createHash('sha256')
  try {
    for await (const bytes of createReadStream(path)) hash.update(bytes as Buffer)
  } catch {
    return undefined
  }
  return `sha256:${hash.digest('hex')}`
}
