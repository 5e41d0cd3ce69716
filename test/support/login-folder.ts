import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { runCommand } from './run-trow.ts'

/** A person's home folder, and the commands that they run in it. */
export class LoginFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'trow-login-'))
  readonly env: Record<string, string> = {
    HOME: this.path,
    PATH: `${this.path}/bin:/usr/bin:/bin`,
    XDG_RUNTIME_DIR: join(this.path, 'run'),
    // Its certificates belong into the home folder then.
    DOCKER_HOST: 'unix:///run/user/1000/docker.sock',
    KUBECONFIG: join(this.path, 'kubeconfig'),
    // Most tests are not about the consent; test/attack/api-server-token.test.ts is.
    TROW_SHARE_API_TOKEN: 'true',
  }

  write(name: string, content: string, mode = 0o644): string {
    const path = join(this.path, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, content)
    chmodSync(path, mode)
    return path
  }

  read(name: string): string {
    return readFileSync(join(this.path, name), 'utf8')
  }

  has(name: string): boolean {
    return existsSync(join(this.path, name))
  }

  kubeconfig(server: string, user: object, more: object = {}): void {
    const config = {
      'current-context': 'dev',
      clusters: [{ name: 'c', cluster: { server, ...more } }],
      contexts: [{ name: 'dev', context: { cluster: 'c', user: 'me', namespace: 'team-a' } }],
      users: [{ name: 'me', user }],
    }
    this.write('kubeconfig', JSON.stringify(config))
  }

  async trow(...args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    // Most tests are about what is kept; test/login/verified-login.test.ts is about the proof before.
    const isProved = args[0] !== 'login' || args.includes('--undo')
    return runCommand(isProved ? args : [...args, '--no-verify'], { env: this.env })
  }

  /** The secret that docker or podman would show a registry. */
  secret(config: string, host = 'trow.trow.svc'): string | undefined {
    const { auths } = JSON.parse(this.read(config)) as { auths?: Record<string, { auth?: string }> }
    const auth = auths?.[host]?.auth
    return auth === undefined
      ? undefined
      : Buffer.from(auth, 'base64')
          .toString()
          .replace(/^trow:/, '')
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}
