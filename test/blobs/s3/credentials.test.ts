import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { CredentialKeeper } from '../../../src/blobs/s3/credentials/credential-keeper.ts'
import { findCredentials } from '../../../src/blobs/s3/credentials/find-source.ts'
import { parseSharedFile } from '../../../src/blobs/s3/credentials/shared-file.ts'
import { Http1Agent } from '../../../src/http1-agent.ts'

const hour = 3_600_000

suite('credentials for S3', () => {
  function folderOf(t: TestContext): string {
    const folder = mkdtempSync(join(tmpdir(), 'trow-credentials-'))
    t.after(() => rmSync(folder, { recursive: true }))
    return folder
  }

  async function serve(
    t: TestContext,
    answer: (request: IncomingMessage, body: string) => string | undefined,
  ): Promise<string> {
    const server = http.createServer((request: IncomingMessage, response: ServerResponse) => {
      let body = ''
      request.setEncoding('utf8').on('data', (text: string) => (body += text))
      request.once('end', () => {
        const text = answer(request, body)
        response
          .writeHead(text === undefined ? 403 : 200)
          .end(text ?? '<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>')
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => {
      server.close()
      server.closeAllConnections()
    })
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  function agentOf(t: TestContext): Http1Agent {
    const agent = new Http1Agent()
    t.after(() => agent.destroy())
    return agent
  }

  test('are looked for as AWS clients do, in their order', (t) => {
    const home = folderOf(t)
    const everything = {
      AWS_ACCESS_KEY_ID: 'id',
      AWS_SECRET_ACCESS_KEY: 'secret',
      AWS_SHARED_CREDENTIALS_FILE: '/f',
      AWS_PROFILE: 'work',
      AWS_ROLE_ARN: 'arn:role',
      AWS_WEB_IDENTITY_TOKEN_FILE: '/t',
      AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/v2/x',
    }
    const find = (...without: string[]): string => {
      const env = Object.fromEntries(
        Object.entries(everything).filter(([name]) => !without.some((each) => name.startsWith(each))),
      )
      const { kind, ...rest } = findCredentials(env, home, 'eu-west-1')
      return `${kind} ${Object.values(rest).join(' ')}`.trim()
    }
    assert.equal(find(), 'keys id secret')
    assert.equal(find('AWS_SECRET'), 'file /f work')
    assert.equal(
      find('AWS_SECRET', 'AWS_SHARED', 'AWS_PROFILE'),
      'web-identity arn:role /t trow https://sts.eu-west-1.amazonaws.com',
    )
    assert.equal(
      find('AWS_SECRET', 'AWS_SHARED', 'AWS_PROFILE', 'AWS_ROLE'),
      'container http://169.254.170.2/v2/x',
    )
    assert.equal(find('AWS_'), 'instance')
  })

  test('of a profile of a file', () => {
    const text =
      '[default]\naws_access_key_id=a\naws_secret_access_key = b\n\n[ work ]\r\naws_access_key_id = c\r\naws_secret_access_key = d=/+ \r\naws_session_token = e\r\n'
    assert.deepEqual(parseSharedFile(text, 'default'), {
      accessKeyId: 'a',
      secretAccessKey: 'b',
      sessionToken: undefined,
    })
    assert.deepEqual(parseSharedFile(text, 'work'), {
      accessKeyId: 'c',
      secretAccessKey: 'd=/+',
      sessionToken: 'e',
    })
    assert.equal(parseSharedFile(text, 'other'), undefined)
    assert.equal(parseSharedFile('[default]\naws_access_key_id = a', 'default'), undefined)
  })

  test('of a file are read again when it changes, and after a refusal at once', async (t) => {
    const path = join(folderOf(t), 'credentials')
    const write = (id: string, at: number): void => {
      writeFileSync(path, `[default]\naws_access_key_id = ${id}\naws_secret_access_key = s\n`)
      utimesSync(path, at, at)
    }
    let now = 1_000_000
    const keeper = new CredentialKeeper({ kind: 'file', path, profile: 'default' }, agentOf(t), () => now)
    await assert.rejects(keeper.current(), { code: 'ENOENT' })
    write('one', 1)
    const one = await keeper.current()
    assert.equal(one.accessKeyId, 'one')
    write('two', 2)
    assert.equal(await keeper.replace(one), true)
    assert.equal(await keeper.replace(await keeper.current()), false)
    write('three', 3)
    now += 10_000
    await keeper.current()
    await new Promise((resolve) => setTimeout(resolve, 50))
    assert.equal((await keeper.current()).accessKeyId, 'three')
  })

  test('of a workload: STS exchanges its token, anew before they expire', async (t) => {
    const tokenFile = join(folderOf(t), 'token')
    writeFileSync(tokenFile, 'the-token\n')
    let now = Date.parse('2026-01-01T00:00:00Z')
    let count = 0
    let refuses = false
    const endpoint = await serve(t, (_request, body) => {
      const form = new URLSearchParams(body)
      assert.equal(form.get('Action'), 'AssumeRoleWithWebIdentity')
      assert.deepEqual(
        [form.get('WebIdentityToken'), form.get('RoleArn'), form.get('RoleSessionName')],
        ['the-token', 'arn:r', 'trow'],
      )
      if (refuses) return undefined
      return `<R><Credentials><AccessKeyId>id${++count}</AccessKeyId><SecretAccessKey>a&amp;b</SecretAccessKey><SessionToken>st</SessionToken><Expiration>${new Date(now + hour).toISOString()}</Expiration></Credentials></R>`
    })
    const source = {
      kind: 'web-identity',
      roleArn: 'arn:r',
      tokenFile,
      sessionName: 'trow',
      endpoint,
    } as const
    const keeper = new CredentialKeeper(source, agentOf(t), () => now)
    const [first, same] = await Promise.all([keeper.current(), keeper.current()])
    assert.equal(first, same)
    assert.deepEqual(first, {
      accessKeyId: 'id1',
      secretAccessKey: 'a&b',
      sessionToken: 'st',
      expiresAt: now + hour,
    })
    now += hour - 60_000
    refuses = true
    assert.equal((await keeper.current()).accessKeyId, 'id1')
    await new Promise((resolve) => setTimeout(resolve, 50))
    assert.equal((await keeper.current()).accessKeyId, 'id1', 'still valid while STS refuses')
    refuses = false
    now += 60_000
    assert.equal((await keeper.current()).accessKeyId, 'id2')
    now += 2 * hour
    refuses = true
    await assert.rejects(keeper.current(), { code: 'AccessDenied' })
  })

  test('of the agent beside a pod, by way of the SDK', async (t) => {
    const tokenFile = join(folderOf(t), 'token')
    writeFileSync(tokenFile, 'pod-token')
    const url = await serve(t, (request) => {
      assert.equal(request.headers.authorization, 'pod-token')
      return JSON.stringify({
        AccessKeyId: 'pod',
        SecretAccessKey: 's',
        Token: 't',
        Expiration: '2030-01-01T00:00:00Z',
      })
    })
    const keeper = new CredentialKeeper({ kind: 'container', url, tokenFile, token: undefined }, agentOf(t))
    const { accessKeyId, sessionToken, expiresAt } = await keeper.current()
    assert.deepEqual([accessKeyId, sessionToken, expiresAt], ['pod', 't', Date.parse('2030-01-01T00:00:00Z')])
  })

  test('of the metadata service of a machine, by way of the SDK', async (t) => {
    const endpoint = await serve(t, ({ method, url, headers }) => {
      if (method === 'PUT') return 'session'
      assert.equal(headers['x-aws-ec2-metadata-token'], 'session')
      if (url?.endsWith('/security-credentials/') === true) return 'machine-role'
      return JSON.stringify({
        Code: 'Success',
        AccessKeyId: 'machine',
        SecretAccessKey: 's',
        Token: 't',
        Expiration: new Date(Date.now() + hour).toISOString(),
      })
    })
    const before = process.env['AWS_EC2_METADATA_SERVICE_ENDPOINT']
    process.env['AWS_EC2_METADATA_SERVICE_ENDPOINT'] = endpoint
    t.after(() => {
      if (before === undefined) delete process.env['AWS_EC2_METADATA_SERVICE_ENDPOINT']
      else process.env['AWS_EC2_METADATA_SERVICE_ENDPOINT'] = before
    })
    const keeper = new CredentialKeeper({ kind: 'instance' }, agentOf(t))
    assert.equal((await keeper.current()).accessKeyId, 'machine')
  })
})
