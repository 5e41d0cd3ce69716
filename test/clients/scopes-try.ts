import { execFileSync } from 'node:child_process'
import { mkdtempSync, writeFileSync, mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findProgram } from '../requirements.ts'
import { passwords, startGated } from '../gate/fixture.ts'
const gated = await startGated()
const host = new URL(gated.url).host
const home = mkdtempSync(join(tmpdir(), 'scopes-'))
const env = { ...process.env, HOME: home, DOCKER_CONFIG: join(home, 'docker'), REGISTRY_AUTH_FILE: join(home, 'auth.json'), XDG_RUNTIME_DIR: home, COSIGN_PASSWORD: '', COSIGN_YES: 'true' }
mkdirSync(env.DOCKER_CONFIG)
let bad = 0
const run = (name: string, ...args: string[]): void => {
  const t = Date.now()
  try {
    execFileSync(findProgram(name) ?? name, args, { env, cwd: home, stdio: 'pipe', timeout: 90_000 })
    console.log('ok ', name, args.join(' ').slice(0, 110), Date.now() - t)
  } catch (error) { bad++; console.log('BAD', name, args.join(' ').slice(0, 110), String((error as {stderr?: Buffer}).stderr).slice(-500)) }
}
writeFileSync(join(home, 'layer.txt'), 'hello')
execFileSync('tar', ['-cf', join(home, 'layer.tar'), '-C', home, 'layer.txt'])
const pw = passwords.admin
run('crane', 'auth', 'login', host, '-u', 'admin', '-p', pw)
run('crane', 'append', '-f', 'layer.tar', '-t', `${host}/team/app:1`)
run('crane', 'copy', `${host}/team/app:1`, `${host}/public/app:1`)
run('crane', 'copy', `${host}/team/app:1`, `${host}/z/z:1`)
run('crane', 'catalog', host)
run('crane', 'ls', `${host}/team/app`)
run('crane', 'delete', `${host}/z/z:1`)
run('oras', 'login', host, '--plain-http', '-u', 'admin', '-p', pw)
run('oras', 'push', '--plain-http', `${host}/team/art:1`, 'layer.txt')
run('oras', 'cp', '--from-plain-http', '--to-plain-http', `${host}/team/art:1`, `${host}/team/art2:1`)
run('oras', 'attach', '--plain-http', '--artifact-type', 'a/b', `${host}/team/art:1`, 'layer.txt')
run('oras', 'discover', '--plain-http', `${host}/team/art:1`)
run('oras', 'repo', 'ls', '--plain-http', host)
run('oras', 'manifest', 'delete', '--plain-http', '-f', `${host}/team/art2:1`)
run('helm', 'create', 'chart')
run('helm', 'package', 'chart')
run('helm', 'registry', 'login', host, '--plain-http', '-u', 'admin', '-p', pw)
run('helm', 'push', 'chart-0.1.0.tgz', `oci://${host}/charts`, '--plain-http')
run('helm', 'pull', `oci://${host}/charts/chart`, '--version', '0.1.0', '--plain-http', '-d', join(home, 'docker'))
run('cosign', 'generate-key-pair')
run('cosign', 'sign', '--key', 'cosign.key', '--tlog-upload=false', '--use-signing-config=false', '--allow-insecure-registry', '--allow-http-registry', `${host}/team/app:1`)
run('cosign', 'verify', '--key', 'cosign.pub', '--insecure-ignore-tlog', '--allow-insecure-registry', '--allow-http-registry', `${host}/team/app:1`)
run('regctl', 'registry', 'set', '--tls', 'disabled', host)
run('regctl', 'registry', 'login', host, '-u', 'admin', '-p', pw)
run('regctl', 'image', 'copy', `${host}/team/app:1`, `${host}/q/q:1`)
run('regctl', 'repo', 'ls', host)
run('regctl', 'tag', 'delete', `${host}/q/q:1`)
run('skopeo', 'login', host, '--tls-verify=false', '-u', 'admin', '-p', pw)
run('skopeo', 'copy', '--src-tls-verify=false', '--dest-tls-verify=false', `docker://${host}/team/app:1`, `docker://${host}/w/w:1`)
run('skopeo', 'list-tags', '--tls-verify=false', `docker://${host}/w/w`)
run('skopeo', 'delete', '--tls-verify=false', `docker://${host}/w/w:1`)
run('podman', '--storage-driver', 'vfs', '--root', join(home, 'pod'), '--runroot', join(home, 'podrun'), 'pull', '--tls-verify=false', `${host}/team/app:1`)
run('podman', '--storage-driver', 'vfs', '--root', join(home, 'pod'), '--runroot', join(home, 'podrun'), 'push', '--tls-verify=false', `${host}/team/app:1`, `${host}/pod/pod:1`)
run('podman', 'logout', host)
run('podman', '--storage-driver', 'vfs', '--root', join(home, 'pod2'), '--runroot', join(home, 'podrun2'), 'pull', '--tls-verify=false', `${host}/public/app:1`)
run('skopeo', 'login', host, '--tls-verify=false', '-u', 'admin', '-p', pw)
run('buildah', '--storage-driver', 'vfs', '--root', join(home, 'b'), '--runroot', join(home, 'br'), 'pull', '--tls-verify=false', `${host}/team/app:1`)
run('buildah', '--storage-driver', 'vfs', '--root', join(home, 'b'), '--runroot', join(home, 'br'), 'push', '--tls-verify=false', `${host}/team/app:1`, `docker://${host}/bu/bu:1`)
run('crane', 'auth', 'logout', host)
run('crane', 'pull', `${host}/public/app:1`, join(home, 'x.tar'))
console.log('bad', bad)
await gated.close()
process.exit()
