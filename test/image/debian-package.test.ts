import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { buffer } from 'node:stream/consumers'
import { Readable } from 'node:stream'
import { suite, test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { readAr } from '../../src/image/ar-archive.ts'
import { readDebianPackage } from '../../src/image/debian-package.ts'
import { compareVersions } from '../../src/image/debian-version.ts'
import { file } from '../../src/image/layer-entry.ts'
import { writeTar } from '../../src/image/tar-writer.ts'
import { missing } from '../requirements.ts'

function ar(members: readonly (readonly [string, Buffer])[]): Buffer {
  return Buffer.concat([
    Buffer.from('!<arch>\n'),
    ...members.flatMap(([name, content]) => [
      Buffer.from(
        `${name.padEnd(16)}${'0'.padEnd(12)}${'0     0     100644  '}${String(content.length).padEnd(10)}\`\n`,
      ),
      content,
      Buffer.alloc(content.length % 2, '\n'),
    ]),
  ])
}

const tarOf = (files: Readonly<Record<string, string>>): Promise<Buffer> =>
  buffer(Readable.from(writeTar(Object.entries(files).map(([path, text]) => file(path, text)))))

const everything = (): boolean => true

suite('ar archives', () => {
  const members = fc.uniqueArray(
    fc.tuple(
      fc.stringMatching(/^[a-z][a-z0-9.-]{0,14}$/),
      fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
    ),
    { selector: ([name]) => name, maxLength: 5 },
  )

  test('give what was put into them', () => {
    fc.assert(fc.property(members, (given) => assert.deepEqual([...readAr(ar(given))], given)))
  })

  test('that are cut or changed anywhere end in an Error, or still in members of theirs', () => {
    fc.assert(
      fc.property(members, fc.nat(), fc.nat(255), (given, at, byte) => {
        const whole = ar(given)
        const cut = whole.subarray(0, at % whole.length)
        const changed = Buffer.from(whole)
        changed[at % whole.length] = byte
        for (const archive of [cut, changed]) {
          try {
            for (const [, content] of readAr(archive)) assert.ok(content.length <= archive.length)
          } catch (error) {
            assert.match(
              (error as Error).message,
              /^(it does not begin|the header|there is no|the size|.* is (cut short|there twice))/s,
            )
          }
        }
      }),
    )
  })
})

suite('Debian packages', () => {
  const parts = async (data: Buffer, name = 'data.tar', version = '2.0\n'): Promise<Buffer> =>
    ar([
      ['debian-binary', Buffer.from(version)],
      ['control.tar', await tarOf({ control: 'Package: a\n' })],
      [name, data],
    ])

  test('give their files, however they are compressed', async () => {
    const data = await tarOf({ 'usr/lib/a': 'content', 'usr/share/b': 'not asked for' })
    const xz =
      missing('xz') === false ? execFileSync('xz', ['-c', '--check=crc64'], { input: data }) : undefined
    for (const [name, bytes] of [
      ['data.tar', data],
      ['data.tar.gz', gzipSync(data)],
      ['data.tar.zst', zstdCompressSync(data)],
      ...(xz === undefined ? [] : [['data.tar.xz', xz] as const]),
    ] as const) {
      const found = await readDebianPackage(await parts(bytes, name), (path) => path.startsWith('usr/lib/'))
      assert.equal(found.control, 'Package: a\n')
      assert.deepEqual(
        found.members.map(({ path, content }) => [path, content.toString()]),
        [['usr/lib/a', 'content']],
        name,
      )
    }
  })

  test('that are none are refused in words', async () => {
    const data = await tarOf({ a: 'content' })
    const [first] = [Buffer.from('2.0\n')]
    for (const [archive, expected] of [
      [Buffer.from('<html>'), /does not begin as an ar archive/],
      [ar([['control.tar', data]]), /no Debian package of format 2/],
      [await parts(data, 'data.tar', '3.0\n'), /no Debian package of format 2/],
      [ar([['debian-binary', first]]), /no control\.tar/],
      [await parts(data, 'data.tar.lzma'), /compressed in a way/],
      [await parts(data, 'other'), /no data\.tar/],
      [await parts(Buffer.from('no gzip'), 'data.tar.gz'), /header/],
      [await parts(Buffer.from('no xz at all'), 'data.tar.xz'), /./],
      [await parts(data.subarray(0, 700)), /Unexpected end/],
      [await parts(Buffer.alloc(1024, 'x')), /./],
    ] as const)
      await assert.rejects(readDebianPackage(archive, everything), expected)
  })
})

suite('Debian versions', () => {
  const ascending = [
    '0~~',
    '0~',
    '0',
    '0+b1',
    '1.2',
    '1.10',
    '1.10-1',
    '1.10-1+deb13u1',
    '1.10-1+deb13u10',
    '1:0.1',
  ]

  test('are in the order of the policy', () => {
    for (const [index, version] of ascending.entries())
      for (const [other, than] of ascending.entries())
        assert.equal(
          Math.sign(compareVersions(version, than)),
          Math.sign(index - other),
          `${version} ${than}`,
        )
  })

  test('are in the order of dpkg', { skip: missing('dpkg') }, () => {
    const version = fc.stringMatching(/^[0-9][a-z0-9.+~]{0,6}(-[a-z0-9.+~]{1,3})?$/)
    fc.assert(
      fc.property(version, version, (one, other) => {
        const says = (operator: string): boolean => {
          try {
            execFileSync('dpkg', ['--compare-versions', one, operator, other], { stdio: 'ignore' })
            return true
          } catch {
            return false
          }
        }
        const order = compareVersions(one, other)
        assert.ok(says(order < 0 ? 'lt' : order > 0 ? 'gt' : 'eq'), `${one} ${order} ${other}`)
      }),
      { numRuns: 50 },
    )
  })
})
