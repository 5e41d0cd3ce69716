import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import { parse } from 'yaml'
import { z } from 'zod'

const root = new URL('../..', import.meta.url).pathname

const workflowSchema = z.object({
  permissions: z.record(z.string(), z.string()).optional(),
  jobs: z.record(
    z.string(),
    z.object({
      permissions: z.record(z.string(), z.string()).optional(),
      container: z.string().optional(),
      steps: z.array(z.object({ uses: z.string().optional(), run: z.string().optional() })),
    }),
  ),
})

// An attacker who takes over a dependency, an action or an image must not be able to publish as trow.
suite('what the release trusts', () => {
  const files = globSync('.github/workflows/*.yml', { cwd: root })
  assert.ok(files.length > 0)
  for (const file of files) {
    const workflow = workflowSchema.parse(parse(readFileSync(`${root}${file}`, 'utf8')))
    const jobs = Object.entries(workflow.jobs)
    assert.ok(jobs.length > 0)

    test(`${file}: actions by commit, images by digest`, () => {
      for (const [, { container, steps }] of jobs) {
        if (container !== undefined) assert.match(container, /@sha256:[0-9a-f]{64}$/)
        for (const { uses } of steps) if (uses !== undefined) assert.match(uses, /@[0-9a-f]{40}$/)
      }
    })

    test(`${file}: a job that may publish runs no code of the tests, of a build or of dependencies`, () => {
      assert.deepEqual(workflow.permissions, {}, 'nothing is permitted by default')
      const mayPublish = jobs.filter(([, { permissions = {} }]) =>
        Object.values(permissions).includes('write'),
      )
      assert.ok(mayPublish.length > 0)
      for (const [name, { steps }] of mayPublish) {
        for (const { run = '', uses = '' } of steps) {
          assert.doesNotMatch(run, /npm (?:ci|install|run|test|pack|exec)|npx|node /, name)
          assert.doesNotMatch(uses, /checkout/, name)
          if (/npm publish/.test(run)) assert.match(run, /--ignore-scripts/, name)
        }
      }
    })
  }

  test('Dockerfile: images by digest', () => {
    const text = readFileSync(`${root}Dockerfile`, 'utf8')
    const values = new Map([...text.matchAll(/^ARG (\w+)=(\S+)$/gm)].map(([, name, value]) => [name, value]))
    const images = [...text.matchAll(/^FROM (\S+)/gm)].map(([, image = '']) =>
      image.replace(/\$\{(\w+)\}/, (_, name: string) => values.get(name) ?? ''),
    )
    assert.equal(images.length, 2)
    for (const image of images) assert.match(image, /@sha256:[0-9a-f]{64}$/)
  })
})
