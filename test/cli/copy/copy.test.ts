import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { startCutProxy } from '../../support/cut-proxy.ts'
import { startGated } from '../../support/gated-server.ts'
import {
  digestsBelow,
  manifestType,
  putImage,
  putIndex,
  putManifest,
  referrersOf,
  sha256,
} from '../../support/registry-content.ts'
import { checkResult } from '../../support/check-result.ts'
import { runCommand } from '../../support/run-trow.ts'
import { startedServer, type ServerProcess } from '../../support/server-process.ts'

const folder = mkdtempSync(join(tmpdir(), 'trow-copy-'))
let [one, two]: ServerProcess[] = []
let [from, to] = ['', '']
let [near, far] = ['', '']

before(async () => {
  one = await startedServer({ data: join(folder, 'one') })
  two = await startedServer({ data: join(folder, 'two') })
  ;[from, to] = [one.url, two.url]
  ;[near, far] = [new URL(from).host, new URL(to).host]
})
after(async () => {
  await Promise.all([one?.stop(), two?.stop()])
  rmSync(folder, { recursive: true, force: true })
})

const copy = (...args: readonly string[]): ReturnType<typeof runCommand> => runCommand(['copy', ...args])

async function listening(
  answer: RequestListener,
): Promise<{ readonly host: string; readonly server: Server }> {
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, server }
}

suite('trow copy between two registries', () => {
  test('copies all platforms byte for byte, and sends nothing the second time', async () => {
    const { index } = await putIndex(from, 'team/app', '1')
    const { code, stdout, stderr } = await copy(`${near}/team/app:1`, `${far}/mirror/app`)
    assert.equal(code, 0, stderr)
    assert.equal(stdout, `${far}/mirror/app:1@${index.digest}\n`)
    assert.match(stderr, /\n9 of 9 blobs sent, .*; 4 manifests\n$/)
    assert.deepEqual(await digestsBelow(to, 'mirror/app', '1'), await digestsBelow(from, 'team/app', '1'))
    const again = await copy(`${near}/team/app:1`, `${far}/mirror/app:other`)
    assert.match(again.stderr, /\n0 of 9 blobs sent, 0 B; 4 manifests\n$/)
    assert.equal(again.stdout, `${far}/mirror/app:other@${index.digest}\n`)
    const json = await copy(`${near}/team/app:1`, `${far}/mirror/app:json`, '-o', 'json')
    assert.equal(json.stderr, '')
    const { tag, digest, blobs, sentBlobs, manifests } = checkResult('Copy', json.stdout)
    assert.deepEqual([tag, digest, blobs, sentBlobs, manifests], ['json', index.digest, 9, 0, 4])
  })

  test('copies by digest, without a tag', async () => {
    const image = await putImage(from, 'team/digest', { tag: 'x' })
    const { code, stdout, stderr } = await copy(`${near}/team/digest@${image.digest}`, `${far}/by/digest`)
    assert.equal(code, 0, stderr)
    assert.equal(stdout, `${far}/by/digest@${image.digest}\n`)
    assert.deepEqual(await (await fetch(`${to}/v2/by/digest/tags/list`)).json(), {
      name: 'by/digest',
      tags: [],
    })
  })

  test('copies one platform of an index, and that of an image', async () => {
    const { children } = await putIndex(from, 'team/many', '1')
    for (const [platform, place] of [
      ['linux/arm64', 1],
      ['linux/arm64/v8', 1],
      ['linux/arm/v7', 2],
    ] as const) {
      // prettier-ignore
      const { stdout, stderr } = await copy(`${near}/team/many:1`, `${far}/one/of:${place}`, '--platform', platform)
      assert.equal(stdout, `${far}/one/of:${place}@${children[place]?.digest}\n`, stderr)
    }
    const single = await copy(
      `${near}/team/many@${children[0]?.digest}`,
      `${far}/one/of:0`,
      '--platform',
      'linux/amd64',
    )
    assert.equal(single.code, 0, single.stderr)
    assert.equal((await fetch(`${to}/v2/one/of/manifests/${children[1]?.digest}`)).status, 200)
  })

  test('names the platforms that there are when one is missing', async () => {
    await putIndex(from, 'team/few', '1')
    const none = await copy(`${near}/team/few:1`, `${far}/few:1`, '--platform', 'linux/s390x')
    assert.equal(none.code, 1)
    assert.match(
      none.stderr,
      /team\/few:1 has no image for linux\/s390x \(PLATFORM_MISSING\)\n {2}It has: linux\/amd64, linux\/arm64, linux\/arm\/v7\.\n/,
    )
    const wrong = await copy(`${near}/team/few:1`, `${far}/few:1`, '--platform', 'arm64')
    assert.equal(wrong.code, 2)
    assert.match(wrong.stderr, /"arm64" is no platform \(PLATFORM_UNKNOWN\)/)
  })

  test('copies what refers to an image and to its platforms, and what refers to that', async () => {
    const { index, children } = await putIndex(from, 'team/signed', '1')
    const [child = index] = children
    const signature = await putImage(from, 'team/signed', { subject: index })
    const sbom = await putImage(from, 'team/signed', { subject: child })
    const ofSbom = await putImage(from, 'team/signed', { subject: sbom })
    const cosign = await putImage(from, 'team/signed', { tag: `${index.digest.replace(':', '-')}.sig` })
    const bare = await copy(`${near}/team/signed:1`, `${far}/bare:1`)
    assert.match(bare.stderr, /; 4 manifests\n$/)
    assert.deepEqual(await referrersOf(to, 'bare', index.digest), [])
    const { code, stderr } = await copy(`${near}/team/signed:1`, `${far}/signed:1`, '--referrers')
    assert.equal(code, 0, stderr)
    assert.match(stderr, /; 4 manifests, 4 referrers\n$/)
    assert.deepEqual(await referrersOf(to, 'signed', index.digest), [signature.digest])
    assert.deepEqual(await referrersOf(to, 'signed', child.digest), [sbom.digest])
    assert.deepEqual(await referrersOf(to, 'signed', sbom.digest), [ofSbom.digest])
    for (const { digest } of [signature, sbom, ofSbom]) await digestsBelow(to, 'signed', digest)
    const tag = `${index.digest.replace(':', '-')}.sig`
    assert.equal((await digestsBelow(to, 'signed', tag))[0], cosign.digest)
  })

  test('mounts blobs within one registry', async () => {
    const { index } = await putIndex(from, 'team/here', '1')
    const { stdout, stderr } = await copy(`${near}/team/here:1`, `${near}/team/there:2`)
    assert.equal(stdout, `${near}/team/there:2@${index.digest}\n`, stderr)
    assert.match(stderr, /is in another repository/)
    assert.match(stderr, /\n0 of 9 blobs sent/)
  })

  test('goes on where a connection to the source is cut', async () => {
    const size = 16 * 1024 * 1024
    const image = await putImage(from, 'team/cut', { layers: [size], tag: '1' })
    const proxy = await startCutProxy(Number(new URL(from).port))
    let cuts = 0
    const timer = setInterval(() => {
      if (proxy.received < (cuts + 1) * 4_000_000 || cuts === 2) return
      cuts++
      proxy.cut()
    }, 1)
    const { code, stdout, stderr } = await copy(`127.0.0.1:${proxy.port}/team/cut:1`, `${far}/cut:1`)
    clearInterval(timer)
    assert.equal(code, 0, stderr)
    assert.ok(cuts > 0)
    assert.match(stderr, /cut \(.*\); going on/)
    assert.ok(proxy.received < 2 * size, `${proxy.received} bytes were read`)
    assert.equal(stdout, `${far}/cut:1@${image.digest}\n`)
    assert.deepEqual(await digestsBelow(to, 'cut', '1'), await digestsBelow(from, 'team/cut', '1'))
    await proxy.close()
  })
})

suite('a copy that cannot be made', () => {
  test('names what is not there, and what cannot be meant', async () => {
    const missing = await copy(`${near}/team/nothing:1`, `${far}/nothing:1`)
    assert.match(missing.stderr, /team\/nothing:1 is not in the registry \(NOT_FOUND\)/)
    const digest = sha256(Buffer.from('x'))
    const rows = [
      [[`${near}/team/app:1`, `${far}/app@${digest}`], /names a digest, which is that of the source/],
      [['team/app:1', `${far}/app`, '--src-ca', 'x.crt'], /"team\/app:1" names no host/],
      [[near, `${far}/app`], /names no repository/],
    ] as const
    for (const [args, message] of rows) {
      const { code, stderr } = await copy(...args)
      assert.equal(code, 2, stderr)
      assert.match(stderr, message)
    }
  })

  test('an index that lists more than is there gets no tag', async () => {
    const gone = { mediaType: manifestType, digest: sha256(Buffer.from('gone')), size: 4 }
    const server = await startedServer({ data: join(folder, 'sparse'), args: ['--allow-sparse-index'] })
    const index = {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [gone],
    }
    await putManifest(server.url, 'sparse', index, '1')
    const { code, stderr } = await copy(`${new URL(server.url).host}/sparse:1`, `${far}/sparse:1`)
    assert.equal(code, 1)
    assert.ok(stderr.includes(`sparse@${gone.digest} is not in the registry`), stderr)
    assert.equal((await fetch(`${to}/v2/sparse/manifests/1`)).status, 404)
    await server.stop()
  })

  test('a source that sends other bytes than its digests say', async () => {
    const image = await putImage(from, 'team/lies', { layers: [100_000], tag: '1' })
    const { host, server } = await listening((request, response) => {
      void fetch(`${from}${request.url}`, { headers: { accept: manifestType } }).then(async (answer) => {
        const body = Buffer.from(await answer.arrayBuffer())
        if (request.url?.includes('/blobs/') === true) body[body.length - 1] = (body.at(-1) ?? 0) ^ 1
        response
          .writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' })
          .end(body)
      })
    })
    const { code, stderr } = await copy(`${host}/team/lies:1`, `${far}/lies:1`)
    assert.equal(code, 1)
    assert.match(
      stderr,
      /the registry that is copied from: the bytes of sha256:\w+ have the digest sha256:\w+ \(REGISTRY_FAILED\)/,
    )
    assert.equal((await fetch(`${to}/v2/lies/manifests/${image.digest}`)).status, 404)
    server.close()
  })
})

suite('what registries ask of a copy', () => {
  test('waits as long as a 429 says', async () => {
    const image = await putImage(from, 'team/slow', { tag: '1' })
    let refused = 0
    const { host, server } = await listening((request, response) => {
      if (refused++ === 0) return void response.writeHead(429, { 'retry-after': '1' }).end()
      void fetch(`${from}${request.url}`, { headers: { accept: manifestType } }).then(async (answer) => {
        const headers = { 'content-type': answer.headers.get('content-type') ?? '' }
        response.writeHead(answer.status, headers).end(Buffer.from(await answer.arrayBuffer()))
      })
    })
    const { stdout, stderr } = await copy(`${host}/team/slow:1`, `${far}/slow:1`)
    assert.equal(stdout, `${far}/slow:1@${image.digest}\n`, stderr)
    assert.match(stderr, /asks to wait: going on in 1 s\n/)
    server.close()
  })

  test('takes blobs from where the registry redirects to, without its credentials', async () => {
    const image = await putImage(from, 'team/moved', { tag: '1' })
    const seen: (string | undefined)[] = []
    const storage = await listening((request, response) => {
      seen.push(request.headers.authorization)
      void fetch(`${from}${request.url}`).then(async (answer) =>
        response.writeHead(answer.status).end(Buffer.from(await answer.arrayBuffer())),
      )
    })
    const front = await listening((request, response) => {
      if (request.headers.authorization === undefined) return void response.writeHead(401).end()
      if (request.url?.includes('/blobs/') === true)
        return void response.writeHead(307, { location: `http://${storage.host}${request.url}` }).end()
      void fetch(`${from}${request.url}`, { headers: { accept: manifestType } }).then(async (answer) => {
        const headers = { 'content-type': answer.headers.get('content-type') ?? '' }
        response.writeHead(answer.status, headers).end(Buffer.from(await answer.arrayBuffer()))
      })
    })
    const docker = join(folder, 'docker')
    mkdirSync(docker)
    const auths = { [front.host]: { auth: Buffer.from('me:word').toString('base64') } }
    writeFileSync(join(docker, 'config.json'), JSON.stringify({ auths }))
    const { stdout, stderr } = await runCommand(['copy', `${front.host}/team/moved:1`, `${far}/moved:1`], {
      env: { DOCKER_CONFIG: docker },
    })
    assert.equal(stdout, `${far}/moved:1@${image.digest}\n`, stderr)
    assert.deepEqual(seen, [undefined, undefined])
    storage.server.close()
    front.server.close()
  })

  test('logs in at both, with the login of docker and with the one that is given', async () => {
    const gate = await startGated()
    const host = new URL(gate.url).host
    const image = await putImage(from, 'team/gated', { tag: '1' })
    const given = ['--username', 'pusher', '--password-stdin']
    const there = await runCommand(['copy', `${near}/team/gated:1`, `${host}/team/gated`, ...given], {
      input: 'pusher-pw\n',
    })
    assert.equal(there.stdout, `${host}/team/gated:1@${image.digest}\n`, there.stderr)
    const docker = join(folder, 'docker-gate')
    mkdirSync(docker)
    const auths = { [host]: { auth: Buffer.from('puller:puller-pw').toString('base64') } }
    writeFileSync(join(docker, 'config.json'), JSON.stringify({ auths }))
    const env = { DOCKER_CONFIG: docker }
    const back = await runCommand(['copy', `${host}/team/gated:1`, `${far}/gated:1`], { env })
    assert.equal(back.stdout, `${far}/gated:1@${image.digest}\n`, back.stderr)
    const denied = await runCommand(['copy', `${far}/gated:1`, `${host}/team/gated:2`], { env })
    assert.equal(denied.code, 77)
    assert.match(denied.stderr, /\(REGISTRY_DENIED\)\n {2}It was asked with the login in .*config\.json\./)
    await gate.close()
  })
})
