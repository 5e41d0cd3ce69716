import { isLoopback } from '../../loopback.ts'
import { findOnPath } from '../program-path.ts'
import type { Terminal } from '../streams.ts'
import { isAccessControlled } from '../../settings/access-settings.ts'
import type { BannerFacts } from '../../serve/serve.ts'

interface PushTool {
  readonly program: string
  readonly push: (image: string, plain: boolean) => readonly string[]
}

const engines: readonly PushTool[] = [
  {
    program: 'docker',
    push: (image) => ['docker pull busybox', `docker tag busybox ${image}`, `docker push ${image}`],
  },
  {
    program: 'podman',
    push: (image, plain) => [
      'podman pull docker.io/library/busybox',
      `podman push${plain ? ' --tls-verify=false' : ''} docker.io/library/busybox ${image}`,
    ],
  },
  {
    program: 'nerdctl',
    push: (image, plain) => [
      'nerdctl pull busybox',
      `nerdctl tag busybox ${image}`,
      `nerdctl push${plain ? ' --insecure-registry' : ''} ${image}`,
    ],
  },
  {
    program: 'skopeo',
    push: (image, plain) => [
      `skopeo copy${plain ? ' --dest-tls-verify=false' : ''} docker://docker.io/library/busybox docker://${image}`,
    ],
  },
  { program: 'crane', push: (image, plain) => [`crane copy${plain ? ' --insecure' : ''} busybox ${image}`] },
]

/**
 * Returns what a user needs after the start: the address, the data folder, and the commands of a first push.
 */
export function bannerText(facts: BannerFacts, env: Terminal['env']): string {
  const { url, settings, fresh, caPath } = facts
  const lines: string[] = []
  const say = (line = ''): void => void lines.push(line)
  say(`listening on ${url}`)
  say(`  data   ${settings.data}`)
  if (caPath !== undefined) say(`  CA     ${caPath}`)
  if (!fresh) return lines.join('\n')
  const image = `${new URL(url).host}/busybox:latest`
  const found = engines.find(({ program }) => findOnPath(program, env) !== undefined)
  say()
  if (found === undefined) {
    say('  For a first push, install docker, podman, nerdctl, skopeo or crane; with crane:')
    say(`    crane copy busybox ${image}`)
  } else {
    say(`  A first push with ${found.program}:`)
    if (isAccessControlled(settings)) say(`    ${loginOf(found.program)} ${new URL(url).host}`)
    for (const line of found.push(image, url.startsWith('http:'))) say(`    ${line}`)
  }
  if (isLoopback(settings.listen.host) && runsInVm(found?.program, env)) {
    say()
    say(
      `  This ${found?.program} runs in a VM, which does not reach ${settings.listen.host} of this machine. Start`,
    )
    say('    trow serve --listen 0.0.0.0:8000 --tls-auto --tls-san host.docker.internal')
    say('  and push to host.docker.internal:8000 after the VM trusts the CA that is printed then.')
  }
  return lines.join('\n')
}

function loginOf(program: string): string {
  return program === 'crane' ? 'crane auth login' : `${program} login`
}

/**
 * Docker Desktop, colima and podman machine run the engine in a VM. On systems other than Linux every engine
 * does; on Linux docker does if its host is not a socket of the system.
 */
function runsInVm(program: string | undefined, env: Terminal['env']): boolean {
  if (program !== 'docker' && program !== 'podman' && program !== 'nerdctl') return false
  if (process.platform !== 'linux') return true
  const host = env['DOCKER_HOST'] ?? ''
  return program === 'docker' && (/^(tcp|ssh):/.test(host) || host.includes('.docker/desktop'))
}
