import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Input, InputGroup } from './inputs.ts'
import {
  descriptor,
  digestOf,
  foreign,
  image,
  imageType,
  index,
  indexType,
  layers,
  put,
  send,
  type Spoken,
} from './input-documents.ts'
import { largePolicy } from './policy.ts'

const repository = 'app/judged'
/** 99,990 digests in all with what lists them: trow looks at 100,000 of one image. */
const wide = Array.from({ length: 9 }, (_, part) =>
  image({ layers: manyLayers(part), annotations: { part: `${part}` } }),
)
const wideIndex = index(wide.map(described))
/** As many children as an index may have, each a manifest that is there. */
const children = Array.from({ length: 10_000 }, (_, each) => image({ annotations: { each: `${each}` } }))
const fullIndex = index(children.map(described))

/** What policies have to look at: everything that an image consists of. */
export const judgedInputs: InputGroup = {
  args(folder) {
    const policies = join(folder, 'policies')
    mkdirSync(policies)
    writeFileSync(join(policies, 'large.json'), JSON.stringify(largePolicy('pass')))
    return [`--policy-dir=${policies}`]
  },
  prepare,
  inputs: () => [
    pushed('an index of 10,000 images, judged', 'full', fullIndex),
    pulled('an index of 10,000 images, judged', 'full'),
    pushed('an index of 9 images with 10,000 layers each, judged', 'wide', wideIndex),
    pulled('an index of 9 images with 10,000 layers each, judged', 'wide'),
  ],
}

async function prepare(to: Spoken): Promise<void> {
  for (const manifest of [...wide, ...children]) {
    const reply = await put(to, repository, digestOf(Buffer.from(manifest)), manifest)
    if (reply.status !== 201) throw new Error(`a child is refused: ${await reply.text()}`)
  }
}

function pushed(input: string, tag: string, body: string): Input {
  return {
    route: 'PUT manifest',
    input,
    sent: body,
    request: (to) => put(to, repository, tag, body, indexType),
  }
}

/** HEAD is judged alike, and sends nothing that would be measured instead. */
function pulled(input: string, tag: string): Input {
  return {
    route: 'HEAD manifest',
    input,
    request: (to) => send(to, `/v2/${repository}/manifests/${tag}`, { method: 'HEAD' }),
  }
}

function described(manifest: string): object {
  const bytes = Buffer.from(manifest)
  return { ...descriptor(digestOf(bytes), imageType), size: bytes.byteLength }
}

function manyLayers(part: number): object[] {
  return layers.map((_, place) => descriptor(digestOf(Buffer.from(`${part} ${place}`)), foreign))
}
