import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { freePort } from './free-port.ts'
import { findProgram } from '../requirements.ts'

/** Distribution on a free port of loopback, with its content in a folder; needs the program `registry`. */
export async function startDistribution(
  folder: string,
): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const port = await freePort()
  const file = `${folder}.yaml`
  writeFileSync(
    file,
    `version: 0.1
log: { level: error, accesslog: { disabled: true } }
storage: { filesystem: { rootdirectory: ${folder} } }
http: { addr: '127.0.0.1:${port}', secret: test }
`,
  )
  const child: ChildProcess = spawn(findProgram('registry') ?? '', ['serve', file], {
    stdio: 'ignore',
    env: { ...process.env, OTEL_TRACES_EXPORTER: 'none' },
  })
  const url = `http://127.0.0.1:${port}`
  const isUp = (): Promise<boolean> => fetch(`${url}/v2/`).then(({ ok }) => ok, () => false) // prettier-ignore
  while (!(await isUp())) await new Promise((resolve) => setTimeout(resolve, 50))
  return {
    url,
    async stop() {
      const closed = once(child, 'close')
      child.kill()
      await closed
    },
  }
}
