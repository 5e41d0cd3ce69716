import { randomUUID } from 'node:crypto'
import { encodeAuditRecord, namedActor } from '../../audit/audit-record.ts'
import type { EncodedAuditRecord } from '../../metadata/outbox.ts'
import { printedSetting, type SettingsChange } from '../../settings/live-settings.ts'
import type { SettingName, Settings } from '../../settings/settings-schema.ts'

/** Entries of a list, such as rules, that one audit record names. */
const mostEntries = 50
/** UTF-16 units of one value or entry. */
const longestEntry = 500

/** The source of the settings: the file, and the owner of it where that is known. */
export interface SettingsSource {
  readonly file: string
  readonly owner: string | undefined
}

/** The audit record of settings that come into force, with the difference. */
export function settingsChangeRecord(
  { file, owner }: SettingsSource,
  before: Settings,
  change: SettingsChange,
  now: number,
): EncodedAuditRecord {
  const settings = Object.fromEntries(
    change.live.map((name) => [name, difference(name, before, change.settings)]),
  )
  return settingsRecord('settings-change', 'it was changed in the configuration file', {
    file,
    owner,
    now,
    change: { settings, ...(change.restart.length > 0 && { afterRestart: change.restart }) },
  })
}

/** The audit record of a configuration file that is not used, because of `reason`. */
export function settingsRejectRecord(
  { file, owner }: SettingsSource,
  reason: string,
  now: number,
): EncodedAuditRecord {
  return settingsRecord('settings-reject', reason, { file, owner, now, change: undefined })
}

function settingsRecord(
  action: 'settings-change' | 'settings-reject',
  reason: string,
  {
    file,
    owner,
    now,
    change,
  }: SettingsSource & { readonly now: number; readonly change: object | undefined },
): EncodedAuditRecord {
  return encodeAuditRecord({
    id: randomUUID(),
    time: now,
    action,
    outcome: action === 'settings-change' ? 'allowed' : 'failed',
    reason,
    actor: namedActor('settings-file', owner ?? ''),
    repository: undefined,
    reference: file,
    client: { address: '', userAgent: '' },
    request: { id: '', method: '', route: '' },
    status: undefined,
    ...(change !== undefined && { facts: { change } }),
  })
}

function difference(name: SettingName, before: Settings, after: Settings): object {
  const [from, to] = [printedSetting(name, before[name]), printedSetting(name, after[name])]
  const [had, has] = [entriesOf(from), entriesOf(to)]
  if (had === undefined || has === undefined) return { from, to }
  const added = new Set([...has].filter((entry) => !had.has(entry)))
  const removed = new Set([...had].filter((entry) => !has.has(entry)))
  // In a list whose first match decides, an exchange of places is a change.
  if (added.size === 0 && removed.size === 0) return { reordered: true }
  return { ...entries('added', added), ...entries('removed', removed) }
}

/** Undefined for a value that is no list. A list that is not set has no entries. */
function entriesOf(value: unknown): ReadonlySet<string> | undefined {
  if (value === null) return new Set()
  return Array.isArray(value) ? new Set(value.map((entry) => JSON.stringify(entry))) : undefined
}

function entries(name: 'added' | 'removed', all: ReadonlySet<string>): object {
  if (all.size === 0) return {}
  const shown = [...all]
    .slice(0, mostEntries)
    .map((text) =>
      text.length <= longestEntry ? (JSON.parse(text) as unknown) : `${text.slice(0, longestEntry)}…`,
    )
  return { [name]: shown, ...(all.size > mostEntries && { [`${name}InAll`]: all.size }) }
}
