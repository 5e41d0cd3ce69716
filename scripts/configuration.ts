import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { format, resolveConfig } from 'prettier'
import { z } from 'zod'
import { defaultSettings } from '../src/settings/default-settings.ts'
import { liveSettings } from '../src/settings/live-settings.ts'
import { settingGroups } from '../src/settings/setting-groups.ts'
import { fileOnly, settingInfo } from '../src/settings/setting-info.ts'
import { settingsSchema, type SettingName } from '../src/settings/settings-schema.ts'
import { variableOf } from '../src/settings/settings-variables.ts'

const place = (path: string): string => fileURLToPath(new URL(`../docs/${path}`, import.meta.url))

export const referenceFile = place('configuration.md')
export const schemaFile = place('schemas/trow-yaml.schema.json')

interface JsonSchema {
  readonly [keyword: string]: unknown
  readonly description?: string
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly items?: JsonSchema
  readonly required?: readonly string[]
}

/** Stands for the number of cores, on which a default depends. */
const cores = 8

const raw = z.toJSONSchema(settingsSchema, {
  io: 'input',
  unrepresentable: 'any',
  reused: 'inline',
}) as JsonSchema

/** The JSON Schema of trow.yaml, for editors: the text of `schemaFile`. */
export async function settingsJsonSchema(): Promise<string> {
  const { $schema, ...schema } = raw
  const properties = Object.fromEntries(
    Object.entries(schema.properties ?? {}).map(([name, property]) => {
      const { help } = settingInfo[name as SettingName]
      return [name, { description: help, ...property }]
    }),
  )
  // Every setting has a default: a file names those that differ.
  const { required: _, ...rest } = schema
  const whole = { $schema, title: 'trow.yaml', ...rest, properties }
  return format(JSON.stringify(whole), { ...(await resolveConfig(schemaFile)), parser: 'json' })
}

/** The reference of all settings: the text of `referenceFile`. */
export async function settingsReference(): Promise<string> {
  const defaults = defaultSettings(cores)
  const groups = settingGroups.map(({ title, names }) =>
    [`### ${title}`, '', '| key | value | default | live | what it does |', '| --- | --- | --- | --- | --- |']
      .concat(names.map((name) => row(name, defaults[name])))
      .join('\n'),
  )
  const lists = [...fileOnly].map((name) => fieldTable(name))
  const text = `${introduction}\n## Reference\n\n${legend}\n\n${groups.join('\n\n')}\n\n${listsTitle}\n\n${lists.join('\n\n')}\n`
  return format(text, { ...(await resolveConfig(referenceFile)), parser: 'markdown' })
}

const introduction = `# Configuration

<!-- Made by npm run configuration from the schema of the settings. -->

\`trow serve\` takes each setting from the first of these places that has it: a flag (\`--gc-grace 12h\`), a variable
(\`${variableOf('gc-grace')}=12h\`), a key of \`trow.yaml\` (\`gc-grace: 12h\`), the default. The file is named by \`--config\` or \`TROW_CONFIG\`.
Without any settings trow serves on 127.0.0.1:8000 and keeps everything in \`./trow-data\`.

\`\`\`yaml
# yaml-language-server: $schema=docs/schemas/trow-yaml.schema.json
listen: 0.0.0.0:8443
tls-auto: true
tls-san: [registry.example.com]
htpasswd: /etc/trow/htpasswd
access:
  - { who: '*', repositories: '**', actions: pull }
  - { who: [alice, 'group:oidc:dev'], repositories: 'team-a/**', actions: [pull, push] }
untagged:
  - { repositories: 'ci/**', after: 7d }
\`\`\`

- \`trow serve --check-config\` checks the settings, the rules, the files that they name (certificates, users, policies, the
  password of the database) and the data folder. It starts and changes nothing, and asks neither the database nor the bucket nor
  the cluster. It exits with 0, or with 79 and every problem, those of \`trow.yaml\` with line and column.
- \`trow serve --print-config\` prints the settings in force as YAML, each with the place that it comes from. Secrets are left out.
- [schemas/trow-yaml.schema.json](schemas/trow-yaml.schema.json) is a JSON Schema of the file. An editor with a YAML language server
  completes and checks a \`trow.yaml\` by it; the first line of the example names it.

## Changes while the server runs

trow reads \`trow.yaml\` again when it changes, also by the exchanged link of a mounted ConfigMap, and at SIGHUP. The settings with
"yes" in the column "live" below are in force on all workers within a second. Others need a restart, and the log names them. Rules and
issuers need one as well where they turn the control of access on or off. A shorter \`gc-grace\` counts at once, for blobs that were pushed
before too; another \`idle-timeout\` begins anew for connections that are open.

A file that does not load changes nothing: the log says what is wrong with it, with line and column, and the old settings stay. Each
change is an audit record with the difference ([audit.md](audit.md)); where it cannot be written, the change waits.

Files that settings name are watched in the same way: \`htpasswd\`, \`tls-cert\`, \`tls-key\`, \`tls-ca\`, \`client-ca\` and the
files of \`policy-dir\`. A removed user is refused within a second. Which users and certificates came and went is an audit record too.
`

const legend = `A size is a number of bytes or a text such as \`32KiB\` or \`1GiB\`; a duration is \`250ms\`, \`30s\`, \`24h\` or \`7d\`; a switch is \`on\` or
\`off\`, as a flag without a value. A list is \`[a, b]\` in the file and \`a,b\` in a flag or a variable. The variable of a key is the key in
capitals with \`TROW_\` before it and \`_\` for \`-\`.`

const listsTitle = '## Lists of objects\n\nThese stand in `trow.yaml` only.'

function row(name: SettingName, initial: unknown): string {
  const { help, value, list } = settingInfo[name]
  const kind = fileOnly.has(name)
    ? `[objects](#${name})`
    : value === undefined
      ? 'switch'
      : list === true
        ? `list of ${value}`
        : value.replaceAll('|', ', ')
  const shown = name === 'workers' ? 'cores, at most 8' : printed(initial)
  const live = liveSettings.has(name) ? 'yes' : ''
  return `| \`${name}\` | ${kind} | ${shown} | ${live} | ${help.replaceAll('|', '\\|')} |`
}

function printed(value: unknown): string {
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return ''
  if (typeof value === 'boolean') return value ? '`on`' : '`off`'
  const parts: readonly unknown[] = Array.isArray(value) ? value : [value]
  return `\`${parts.map((part) => (typeof part === 'string' ? part : JSON.stringify(part))).join(',')}\``
}

function fieldTable(name: SettingName): string {
  const { items } = raw.properties?.[name] ?? {}
  const rows = Object.entries(items?.properties ?? {}).map(([field, schema]) => {
    if (schema.description === undefined) throw new Error(`${name}.${field} has no description`)
    const needed = items?.required?.includes(field) === true ? 'yes' : ''
    return `| \`${field}\` | ${needed} | ${schema.description} |`
  })
  return [`### ${name}`, '', `${settingInfo[name].help.replace('only in trow.yaml: ', '')}`, '']
    .concat('| field | needed | meaning |', '| --- | --- | --- |', rows)
    .join('\n')
}

if (import.meta.main) {
  writeFileSync(referenceFile, await settingsReference())
  writeFileSync(schemaFile, await settingsJsonSchema())
}
