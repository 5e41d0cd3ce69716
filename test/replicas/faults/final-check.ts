import { askServer, readEvents } from '../../../src/cli/control/control-client.ts'
import type { FsckEvent } from '../../../src/registry/fsck.ts'
import { verifyRepository } from '../../crash/verify.ts'
import type { Load } from './load.ts'
import type { Scene } from './scene.ts'

/** Everything acknowledged is there and whole at each process, and `trow fsck` finds nothing. */
export async function finalCheck(scene: Scene, load: Load): Promise<readonly string[]> {
  const losses: string[] = []
  for (const [index, { name }] of scene.replicas.entries()) {
    const client = scene.doors.clientOf(index)
    const found = load.repositories.map((model) => {
      for (const manifest of model.manifests.values()) manifest.fresh = true
      return verifyRepository(client, model, undefined)
    })
    const problems = (await Promise.all(found)).flat()
    losses.push(...problems.map((problem) => `at ${name}, in the end: ${problem}`))
  }
  const reply = await askServer(scene.folder(0), 'POST', '/fsck')
  if (reply === undefined) throw new Error('the process does not answer its control socket')
  for await (const event of readEvents<FsckEvent>(reply))
    if (event.kind === 'problem') losses.push(`fsck: ${JSON.stringify(event)}`)
  for (const { name, port } of scene.replicas) {
    const { status } = await fetch(`http://127.0.0.1:${port}/readyz`)
    if (status !== 200) losses.push(`/readyz of ${name} is ${status} in the end`)
  }
  return losses
}
