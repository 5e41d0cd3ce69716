import { z } from 'zod'
import { tryForeignJson } from '../../foreign-json.ts'
import type { ServingProcess } from '../../metadata/serving-processes.ts'
import type { SettingDifference } from './database-sight.ts'

const settingsSchema = z.record(z.string(), z.string())

/** Compares only what both know: another release may have other settings. */
export function settingDifferences(
  own: Readonly<Record<string, string>>,
  others: readonly ServingProcess[],
): readonly SettingDifference[] {
  const found = new Map<string, SettingDifference & { readonly processes: string[] }>()
  for (const { name, settings } of others) {
    for (const [setting, there] of Object.entries(tryForeignJson(settings, settingsSchema) ?? {})) {
      const here = own[setting]
      if (here === undefined || here === there) continue
      const key = differenceKey({ setting, there })
      const known = found.get(key)
      if (known === undefined) found.set(key, { setting, here, there, processes: [name] })
      else known.processes.push(name)
    }
  }
  return [...found.values()]
}

/** The same for the same difference, whichever processes it is with. */
export function differenceKey({ setting, there }: Pick<SettingDifference, 'setting' | 'there'>): string {
  return JSON.stringify([setting, there])
}
