import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { withConfigPath, withoutConfigPath } from '../../src/trust/config-path-edit.ts'
import {
  ContainerdConfigError,
  isAtLeast,
  parseRelease,
  readContainerdConfig,
} from '../../src/trust/containerd-config.ts'
import { hostFolder, hostsToml } from '../../src/trust/containerd-hosts.ts'
import { MachineFiles } from '../../src/trust/machine-files.ts'
import { foldersMade, isOwn, ownText } from '../../src/trust/ownership.ts'
import { parseToml, tomlString } from '../../src/trust/toml.ts'
import { MachineTree, type Tree } from './machine-tree.ts'

const [oldPlugin, newPlugin] = ['io.containerd.grpc.v1.cri', 'io.containerd.cri.v1.images']
const folder = '/etc/containerd/certs.d'

/** Configurations in the forms of users and distributions, with other content between. */
const configText = fc
  .record({
    version: fc.constantFrom('', 'version = 2\n', 'version = 3\n', "version = 2 # don't touch\n"),
    before: fc.constantFrom('', '# a comment\n', 'root = "/var/lib/containerd"\n', 'imports = []\r\n'),
    cri: fc.constantFrom(
      '',
      `[plugins."${oldPlugin}"]\n  sandbox_image = "pause:3.9"\n`,
      `[plugins."${oldPlugin}".registry]\n`,
      `[plugins."${oldPlugin}".registry]\n    config_path = "" # none\n`,
      `[plugins.'${newPlugin}'.registry]\n  config_path = ''\n[plugins.'${newPlugin}'.registry.headers]\n`,
      `[plugins]\n  [plugins."${newPlugin}"]\n    snapshotter = "native"\n`,
      `[plugins.cri.registry]\n`,
    ),
    after: fc.constantFrom(
      '',
      '[grpc]\n  address = "/run/c.sock"\n',
      '[debug]\n  level = """\n[plugins.x]\n"""\n',
      '[timeouts]',
    ),
  })
  .map(({ version, before, cri, after }) => version + before + cri + after)

describe('config_path in a config.toml', () => {
  test('is set, and nothing else; taken out again, the text is what it was', () => {
    fc.assert(
      fc.property(configText, fc.constantFrom('1.6.20', '1.7.24', '2.0.5', '2.3.7'), (text, version) => {
        const edited = withConfigPath(text, folder, parseRelease(version))
        if (edited === undefined) return
        assert.notEqual(edited, text)
        assert.match(edited, /config_path = "\/etc\/containerd\/certs\.d"/)
        assert.equal(withoutConfigPath(edited), text)
      }),
      { numRuns: 500 },
    )
  })
  test('is set in every one of the usual ways of writing', () => {
    for (const text of [
      '',
      'version = 2\n',
      'version = 2',
      `version = 2\n[plugins."${oldPlugin}".registry]\n  [plugins."${oldPlugin}".registry.headers]\n`,
      `version = 2\n[plugins]\n  [plugins."${oldPlugin}"]\n    [plugins."${oldPlugin}".registry]\n      config_path = ""\n`,
      `version = 3\n[plugins.'${newPlugin}'.registry]\n      config_path = ''\n`,
    ]) {
      assert.notEqual(withConfigPath(text, folder, parseRelease('2.3.7')), undefined, text)
    }
  })
  test('is not set where the text has no place for it', () => {
    const inline = `version = 2\nplugins = { "${oldPlugin}" = { registry = {} } }\n`
    assert.equal(withConfigPath(inline, folder, parseRelease('1.7.24')), undefined)
  })
  test('what is not ours stays when it is taken out', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        fc.pre(!text.includes('managed-by: trow'))
        assert.equal(withoutConfigPath(text), text)
      }),
    )
  })
})

describe('a configuration of containerd', () => {
  test('reads as text of any kind without another error than that of a configuration', async () => {
    using tree = new MachineTree({ '/etc/containerd/': '' })
    const files = new MachineFiles(tree.root)
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          configText,
          fc.string({ unit: 'binary' }),
          fc.string().map((each) => `imports = ["${each}"]`),
        ),
        fc.string(),
        async (text, version) => {
          tree.write('/etc/containerd/config.toml', text)
          try {
            const { configPath } = await readContainerdConfig(files, '/etc/containerd/config.toml', version)
            assert.ok(configPath === undefined || configPath !== '')
          } catch (error) {
            assert.ok(error instanceof ContainerdConfigError, String(error))
          }
        },
      ),
      { numRuns: 300 },
    )
  })

  const rows: readonly {
    readonly what: string
    readonly version: string
    readonly tree: Tree
    readonly path: string | undefined
    readonly local?: boolean
  }[] = [
    { what: 'no file, 1.7', version: '1.7.24', tree: {}, path: undefined },
    { what: 'no file, 2.1', version: '2.1.9', tree: {}, path: undefined },
    { what: 'no file, 2.2', version: '2.2.0', tree: {}, path: `${folder}:/etc/docker/certs.d`, local: false },
    {
      what: 'an empty config_path, 2.3',
      version: '2.3.7',
      tree: { '/c.toml': `version = 3\n[plugins.'${newPlugin}'.registry]\nconfig_path = ''\n` },
      path: `${folder}:/etc/docker/certs.d`,
    },
    {
      what: 'a file of version 2 read by 2.x',
      version: '2.1.9',
      tree: { '/c.toml': `version = 2\n[plugins."${oldPlugin}".registry]\nconfig_path = "/a"\n` },
      path: '/a',
    },
    {
      what: 'a file of version 1',
      version: '1.6.20',
      tree: { '/c.toml': '[plugins.cri.registry]\nconfig_path = "/a"\n' },
      path: '/a',
    },
    {
      what: 'an import with a section of its own, 1.x: it replaces the whole section',
      version: '1.7.24',
      tree: {
        '/c.toml': `version = 2\nimports = ["/d/*.toml"]\n[plugins."${oldPlugin}".registry]\nconfig_path = "/a"\n`,
        '/d/x.toml': `version = 2\n[plugins."${oldPlugin}"]\nsandbox_image = "p"\n`,
      },
      path: undefined,
    },
    {
      what: 'the same, 2.x: sections are merged',
      version: '2.0.5',
      tree: {
        '/c.toml': `version = 2\nimports = ["d/*.toml"]\n[plugins."${oldPlugin}".registry]\nconfig_path = "/a"\n`,
        '/d/x.toml': `version = 3\n[plugins."${newPlugin}"]\nsnapshotter = "p"\n`,
      },
      path: '/a',
    },
    {
      what: 'imports of imports, and in a circle',
      version: '2.3.7',
      tree: {
        '/c.toml': 'version = 3\nimports = ["b.toml"]\n',
        '/b.toml': 'version = 3\nimports = ["/c.toml", "/e.toml"]\n',
        '/e.toml': `version = 3\n[plugins.'${newPlugin}'.registry]\nconfig_path = '/e'\n`,
      },
      path: '/e',
    },
    ...[
      'use_local_image_pull = true',
      'discard_unpacked_layers = true',
      'disable_snapshot_annotations = false',
      'max_concurrent_downloads = 5',
      'image_pull_with_sync_fs = true',
    ].map((setting) => ({
      what: setting,
      version: '2.3.7',
      tree: { '/c.toml': `version = 3\n[plugins.'${newPlugin}']\n${setting}\n` },
      path: `${folder}:/etc/docker/certs.d`,
      local: true,
    })),
    {
      what: 'discard_unpacked_layers in a file of version 2',
      version: '2.3.7',
      tree: {
        '/c.toml': `version = 2\n[plugins."${oldPlugin}".containerd]\ndiscard_unpacked_layers = true\n`,
      },
      path: `${folder}:/etc/docker/certs.d`,
      local: true,
    },
    {
      what: 'inline mirrors keep the default away',
      version: '2.3.7',
      tree: {
        '/c.toml': `version = 3\n[plugins.'${newPlugin}'.registry.mirrors.'docker.io']\nendpoint = ['https://m']\n`,
      },
      path: undefined,
      local: true,
    },
  ]
  for (const { what, version, tree: content, path, local } of rows) {
    test(what, async () => {
      using tree = new MachineTree(content)
      const config = await readContainerdConfig(new MachineFiles(tree.root), '/c.toml', version)
      assert.equal(config.configPath, path)
      if (local !== undefined) assert.equal(config.localPull, local)
    })
  }
})

describe('files of a machine', () => {
  test('no path or link leads out of the root', async () => {
    using tree = new MachineTree({
      '/etc/up': { link: '../../../../../../etc' },
      '/etc/round': { link: 'round' },
      '/etc/absolute': { link: '/srv' },
      '/srv/file': 'x',
    })
    const files = new MachineFiles(tree.root)
    const name = fc.constantFrom('..', '.', 'etc', 'up', 'absolute', 'srv', 'file', 'no', '')
    await fc.assert(
      fc.asyncProperty(fc.array(name, { maxLength: 8 }), async (names) => {
        const found = await files.locate(`/${names.join('/')}`)
        assert.ok(found === tree.root || found.startsWith(`${tree.root}/`), found)
      }),
    )
    assert.equal(await files.read('/etc/absolute/file'), 'x')
    assert.equal(await files.resolve('/etc/up/absolute/file'), '/srv/file')
    await assert.rejects(files.locate('/etc/round'), /too many links/)
  })
  test('patterns match as in Go', async () => {
    using tree = new MachineTree({ '/d/a.toml': '', '/d/.b.toml': '', '/d/c.conf': '', '/d/e/f.toml': '' })
    const files = new MachineFiles(tree.root)
    assert.deepEqual(await files.glob('/d/*.toml'), ['/d/.b.toml', '/d/a.toml'])
    assert.deepEqual(await files.glob('/d/**'), ['/d/.b.toml', '/d/a.toml', '/d/c.conf', '/d/e'])
    assert.deepEqual(await files.glob('/*/*/f.toml'), ['/d/e/f.toml'])
  })
})

test('what is written into hosts.toml is read again by TOML', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ minLength: 1 }), { minLength: 1 }), fc.string(), (endpoints, path) => {
      const content = parseToml(hostsToml({ endpoints, identity: { certificate: path, key: `${path}x` } }))
      assert.equal(content['server'], `https://${endpoints[0]}`)
      assert.deepEqual(content['client'], [[path, `${path}x`]])
    }),
    {
      examples: [
        [['10.0.0.1:443'], '/a"b\\c\u007f'],
        [['5', '5'], ''],
      ],
    },
  )
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      fc.pre(text.isWellFormed())
      assert.equal(parseToml(`a = ${tomlString(text)}`)['a'], text)
    }),
  )
})

test('the folders that a file notes are read again, and only from a file of ours', () => {
  fc.assert(
    fc.property(fc.string(), fc.array(fc.string().map((each) => `/${each}`)), (body, made) => {
      fc.pre(!body.startsWith('# folders made for it'))
      const text = ownText(body, made)
      assert.ok(isOwn(text))
      assert.deepEqual(foldersMade(text), made)
      assert.deepEqual(foldersMade(text.slice(1)), [])
      assert.ok(text.endsWith(body))
    }),
  )
})

test('names of containerd’s folders and versions', () => {
  assert.equal(hostFolder('trow.trow.svc'), 'trow.trow.svc')
  assert.equal(hostFolder('trow.trow.svc:443'), 'trow.trow.svc_443_')
  assert.deepEqual(parseRelease('v2.3.7-k3s1'), { major: 2, minor: 3 })
  assert.deepEqual(parseRelease('1.6.20~ds1'), { major: 1, minor: 6 })
  assert.deepEqual(parseRelease('latest'), { major: 0, minor: 0 })
  assert.ok(isAtLeast({ major: 2, minor: 2 }, 2, 1) && !isAtLeast({ major: 1, minor: 9 }, 2, 1))
})
