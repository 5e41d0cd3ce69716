import { readFileSync } from 'node:fs'
import type { ContainerEngine } from './engine.ts'
import { pathOf, systemPath, type DeveloperMachine } from './machine.ts'
import type { InsecureRegistries } from './registry-address.ts'
import { z } from 'zod'
import { tryForeignJson } from '../../foreign-json.ts'

const daemonSchema = z.object({ 'insecure-registries': z.array(z.string()).optional() })

/**
 * Reads the insecure registries of an engine that does not answer from daemon.json, where hosts and ranges
 * are in one list.
 */
export function configuredInsecure(
  machine: DeveloperMachine,
  { kind, rootless }: ContainerEngine,
): InsecureRegistries {
  const { home, env } = machine
  const file =
    kind === 'dockerd'
      ? rootless
        ? pathOf(env['XDG_CONFIG_HOME'] || pathOf(home, '.config'), 'docker', 'daemon.json')
        : systemPath(machine, '/etc/docker/daemon.json')
      : kind === 'docker-desktop'
        ? pathOf(home, '.docker', 'daemon.json')
        : kind === 'orbstack'
          ? pathOf(home, '.orbstack', 'config', 'docker.json')
          : undefined
  const listed = file === undefined ? [] : insecureIn(file)
  return {
    hosts: listed.filter((each) => !each.includes('/')),
    ranges: listed.filter((each) => each.includes('/')),
  }
}

function insecureIn(file: string): readonly string[] {
  try {
    return tryForeignJson(readFileSync(file, 'utf8'), daemonSchema)?.['insecure-registries'] ?? []
  } catch {
    // The file does not exist, or the engine cannot read it either.
    return []
  }
}
