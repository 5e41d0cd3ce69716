import type { CommandMaker } from './command-context.ts'

/** The headings of the help, in its order. */
type CommandGroup =
  | 'Images:'
  | 'A registry on this machine:'
  | 'A registry in a cluster:'
  | 'Access:'
  | 'Policies and audit:'
  | 'More:'

interface CommandEntry {
  readonly group: CommandGroup
  readonly names: readonly string[]
  /** It does not stand in the help: no person runs it. */
  readonly isHidden?: boolean
  /**
   * Loads only the modules that these commands need, so that `trow serve` and the agents stay small and start
   * fast.
   */
  readonly load: () => Promise<CommandMaker>
}

/** In the order of the help: what a user needs first comes first. */
const table: readonly CommandEntry[] = [
  {
    group: 'More:',
    names: ['complete'],
    isHidden: true,
    load: async () => {
      const { completeCommand } = await import('./completion/complete-command.ts')
      return (context) => [completeCommand(context)]
    },
  },
  {
    group: 'Images:',
    names: ['push'],
    load: async () => {
      const { pushCommand } = await import('./push/command.ts')
      return (context) => [pushCommand(context)]
    },
  },
  {
    group: 'Images:',
    names: ['pull'],
    load: async () => {
      const { pullCommand } = await import('./pull/command.ts')
      return (context) => [pullCommand(context)]
    },
  },
  {
    group: 'Images:',
    names: ['copy'],
    load: async () => {
      const { copyCommand } = await import('./copy/command.ts')
      return (context) => [copyCommand(context)]
    },
  },
  {
    group: 'Images:',
    names: ['list', 'ls'],
    load: async () => {
      const { listCommand } = await import('./registry/list.ts')
      return (context) => [listCommand(context)]
    },
  },
  {
    group: 'Images:',
    names: ['inspect'],
    load: async () => {
      const { inspectCommand } = await import('./registry/inspect.ts')
      return (context) => [inspectCommand(context)]
    },
  },
  {
    group: 'Images:',
    names: ['tag'],
    load: async () => {
      const { tagCommand } = await import('./registry/tag.ts')
      return (context) => [tagCommand(context)]
    },
  },
  {
    group: 'Images:',
    names: ['du'],
    load: async () => {
      const { duCommand } = await import('./du/command.ts')
      return (context) => [duCommand(context)]
    },
  },
  {
    group: 'Images:',
    names: ['rm'],
    load: async () => {
      const { removeCommand } = await import('./registry/remove.ts')
      return (context) => [removeCommand(context)]
    },
  },
  {
    group: 'A registry on this machine:',
    names: ['serve'],
    load: async () => {
      const { serveCommand } = await import('./serve/command.ts')
      return (context) => [serveCommand(context)]
    },
  },
  {
    group: 'A registry on this machine:',
    names: ['gc', 'fsck', 'backup', 'restore'],
    load: async () => (await import('./maintenance/commands.ts')).maintenanceCommands,
  },
  {
    group: 'A registry on this machine:',
    names: ['admission'],
    isHidden: true,
    load: async () => {
      const { admissionCommand } = await import('./serve/admission-command.ts')
      return (context) => [admissionCommand(context)]
    },
  },
  {
    group: 'A registry in a cluster:',
    names: ['install'],
    load: async () => {
      const { installCommand } = await import('./install/command.ts')
      return (context) => [installCommand(context)]
    },
  },
  {
    group: 'A registry in a cluster:',
    names: ['status'],
    load: async () => {
      const { statusCommand } = await import('./status/command.ts')
      return (context) => [statusCommand(context)]
    },
  },
  {
    group: 'A registry in a cluster:',
    names: ['uninstall'],
    load: async () => {
      const { uninstallCommand } = await import('./install/uninstall-command.ts')
      return (context) => [uninstallCommand(context)]
    },
  },
  {
    group: 'A registry in a cluster:',
    names: ['trust-node'],
    load: async () => {
      const { trustNodeCommand } = await import('./trust/node-command.ts')
      return (context) => [trustNodeCommand(context)]
    },
  },
  {
    group: 'A registry in a cluster:',
    names: ['connect'],
    load: async () => {
      const { connectCommand } = await import('./connect/command.ts')
      return (context) => [connectCommand(context)]
    },
  },
  {
    group: 'A registry in a cluster:',
    names: ['ca'],
    load: async () => {
      const { caCommand } = await import('./ca/commands.ts')
      return (context) => [caCommand(context)]
    },
  },
  {
    group: 'A registry in a cluster:',
    names: ['image'],
    load: async () => {
      const { imageCommand } = await import('./image/commands.ts')
      return (context) => [imageCommand(context)]
    },
  },
  {
    group: 'Access:',
    names: ['login', 'logout'],
    load: async () => {
      const { loginCommand, logoutCommand } = await import('./login/command.ts')
      return (context) => [loginCommand(context), logoutCommand(context)]
    },
  },
  {
    group: 'Access:',
    names: ['trust-docker'],
    load: async () => {
      const { trustDockerCommand } = await import('./trust/docker-command.ts')
      return (context) => [trustDockerCommand(context)]
    },
  },
  {
    group: 'Access:',
    names: ['user', 'robot', 'auth'],
    load: async () => (await import('./access/commands.ts')).accessCommands,
  },
  {
    group: 'Policies and audit:',
    names: ['policy'],
    load: async () => {
      const { policyCommand } = await import('./policy/command.ts')
      return (context) => [policyCommand(context)]
    },
  },
  {
    group: 'Policies and audit:',
    names: ['exception'],
    load: async () => {
      const { exceptionCommand } = await import('./policy/exception-command.ts')
      return (context) => [exceptionCommand(context)]
    },
  },
  {
    group: 'Policies and audit:',
    names: ['quarantine'],
    load: async () => {
      const { quarantineCommand } = await import('./policy/quarantine-command.ts')
      return (context) => [quarantineCommand(context)]
    },
  },
  {
    group: 'Policies and audit:',
    names: ['audit'],
    load: async () => {
      const { auditCommand } = await import('./audit/commands.ts')
      return (context) => [auditCommand(context)]
    },
  },
  {
    group: 'More:',
    names: ['version'],
    load: async () => {
      const { versionCommand } = await import('./version.ts')
      return (context) => [versionCommand(context)]
    },
  },
]

export function isCommand(name: string): boolean {
  return table.some(({ names }) => names.includes(name))
}

/** Loads the command of that name; all commands if none has it, for help, suggestions and completion. */
export async function loadCommands(name: string | undefined): Promise<CommandMaker> {
  const entry = table.find(({ names }) => name !== undefined && names.includes(name))
  if (entry !== undefined) return entry.load()
  const shown = table.filter(({ isHidden }) => isHidden !== true)
  const makers = await Promise.all(
    shown.map(async ({ group, load }) => {
      const make = await load()
      return (...given: Parameters<CommandMaker>) => make(...given).map((command) => command.helpGroup(group))
    }),
  )
  const { completionCommand } = await import('./completion/command.ts')
  return (context, program) => [
    ...makers.flatMap((make) => make(context, program)),
    completionCommand(context, program).helpGroup('More:'),
  ]
}
