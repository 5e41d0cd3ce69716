import assert from 'node:assert/strict'
import { webcrypto, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'node:tls'
import {
  issueLeaf,
  makeAuthority,
  type CertificateAuthority,
} from '../../src/certificates/certificate-authority.ts'
import { runTrow, startedServer } from '../support/server-process.ts'

const root = mkdtempSync(join(tmpdir(), 'trow-tls-ca-'))
after(() => rmSync(root, { recursive: true, force: true }))

const crypto = webcrypto as Crypto
const newAuthority = (): Promise<CertificateAuthority> => makeAuthority(['trow.trow.svc'], [], crypto)

function put(folder: string, { cert, key }: CertificateAuthority): void {
  mkdirSync(folder, { recursive: true })
  for (const [name, text] of [
    ['ca.key', key],
    ['ca.crt', cert],
  ] as const) {
    writeFileSync(join(folder, `.${name}`), text)
    renameSync(join(folder, `.${name}`), join(folder, name))
  }
}

/**
 * The certificate served to a client that trusts `ca` and asks for `servername`, or an error code where the
 * client does not trust it.
 */
async function shown(url: string, ca: string, servername = 'trow.trow.svc'): Promise<string> {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port), ca, servername })
  try {
    await once(socket, 'secureConnect')
    return socket.getPeerCertificate().subject.CN as string
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? (error as Error).message
  } finally {
    socket.destroy()
  }
}

suite('a CA of its own for --tls-auto', () => {
  test('signs the certificate, and so does the next one when its files change', async () => {
    const folder = join(root, 'ca')
    const [first, second] = [await newAuthority(), await newAuthority()]
    put(folder, first)
    const args = ['--tls-auto', '--tls-ca', folder, '--tls-san', 'trow.trow.svc']
    const data = join(root, 'data')
    const server = await startedServer({ data, args })
    assert.equal(await shown(server.url, first.cert), 'trow')
    assert.notEqual(await shown(server.url, second.cert), 'trow')
    put(folder, second)
    for (let attempt = 0; attempt < 300 && (await shown(server.url, second.cert)) !== 'trow'; attempt++)
      await sleep(100)
    assert.equal(await shown(server.url, second.cert), 'trow')
    await server.stop()
    // A certificate that another CA has signed is not used again.
    put(folder, first)
    const again = await startedServer({ data, args })
    assert.equal(await shown(again.url, first.cert), 'trow')
    await again.stop()
  })

  test('beside a certificate for a name, which is shown to who asks for that name', async () => {
    const folder = join(root, 'both')
    const [own, others] = [await newAuthority(), await makeAuthority(['registry.example'], [], crypto)]
    put(folder, own)
    const leaf = await issueLeaf(others, { names: ['registry.example'], life: 24 * 3_600_000 }, crypto)
    const [cert, key] = [join(folder, 'leaf.crt'), join(folder, 'leaf.key')]
    writeFileSync(cert, leaf.cert)
    writeFileSync(key, leaf.key)
    const given = ['--tls-cert', cert, '--tls-key', key]
    const server = await startedServer({
      data: join(root, 'data-both'),
      args: ['--tls-auto', '--tls-ca', folder, '--tls-san', 'trow.trow.svc', ...given],
    })
    assert.equal(await shown(server.url, others.cert, 'registry.example'), 'trow')
    assert.equal(await shown(server.url, own.cert), 'trow')
    assert.notEqual(await shown(server.url, own.cert, 'registry.example'), 'trow')
    await server.stop()
  })

  test('that is none is refused', async () => {
    const refused = async (folder: string, code: string, message: RegExp): Promise<void> => {
      const args = ['serve', '--data', join(root, 'data-refused'), '--listen', '127.0.0.1:0']
      const { output, code: exit } = await runTrow([...args, '--tls-auto', '--tls-ca', folder])
      assert.match(output, new RegExp(`\\(${code}\\)`))
      assert.match(output, message)
      assert.equal(exit, 1)
    }
    await refused(join(root, 'nowhere'), 'CA_UNREADABLE', /ca\.crt cannot be read/)
    const folder = join(root, 'bad')
    const authority = await newAuthority()
    put(folder, { ...authority, key: (await newAuthority()).key })
    await refused(folder, 'CA_INVALID', /ca\.key does not belong to it/)
    const leaf = await issueLeaf(authority, { names: ['localhost'], life: 3_600_000 }, crypto)
    put(folder, { key: leaf.key, cert: new X509Certificate(leaf.cert).toString() })
    await refused(folder, 'CA_INVALID', /it is no CA/)
    const { output, code } = await runTrow(['serve', '--tls-ca', folder])
    assert.match(output, /TLS_INCOMPLETE/)
    assert.equal(code, 2)
  })
})
