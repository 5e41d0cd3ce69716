import type { CommandMaker } from './command-context.ts'

interface CommandEntry {
  readonly names: readonly string[]
  /** Brings in what the commands need, and nothing of the others: `trow serve` and the agents are to be small and fast. */
  readonly load: () => Promise<CommandMaker>
}

/** In the order in which a person meets them. */
const table: readonly CommandEntry[] = [
  {
    names: ['serve'],
    load: async () => {
      const { serveCommand } = await import('./serve/command.ts')
      return (context) => [serveCommand(context)]
    },
  },
  {
    names: ['install'],
    load: async () => {
      const { installCommand } = await import('./install/command.ts')
      return (context) => [installCommand(context)]
    },
  },
  {
    names: ['uninstall'],
    load: async () => {
      const { uninstallCommand } = await import('./install/uninstall-command.ts')
      return (context) => [uninstallCommand(context)]
    },
  },
  {
    names: ['status'],
    load: async () => {
      const { statusCommand } = await import('./status/command.ts')
      return (context) => [statusCommand(context)]
    },
  },
  {
    names: ['trust-node'],
    load: async () => {
      const { trustNodeCommand } = await import('./trust/node-command.ts')
      return (context) => [trustNodeCommand(context)]
    },
  },
  {
    names: ['trust-docker'],
    load: async () => {
      const { trustDockerCommand } = await import('./trust/docker-command.ts')
      return (context) => [trustDockerCommand(context)]
    },
  },
  {
    names: ['connect'],
    load: async () => {
      const { connectCommand } = await import('./connect/command.ts')
      return (context) => [connectCommand(context)]
    },
  },
  {
    names: ['login', 'logout'],
    load: async () => {
      const { loginCommand, logoutCommand } = await import('./login/command.ts')
      return (context) => [loginCommand(context), logoutCommand(context)]
    },
  },
  {
    names: ['push'],
    load: async () => {
      const { pushCommand } = await import('./push/command.ts')
      return (context) => [pushCommand(context)]
    },
  },
  {
    names: ['list', 'ls'],
    load: async () => {
      const { listCommand } = await import('./registry/list.ts')
      return (context) => [listCommand(context)]
    },
  },
  {
    names: ['inspect'],
    load: async () => {
      const { inspectCommand } = await import('./registry/inspect.ts')
      return (context) => [inspectCommand(context)]
    },
  },
  {
    names: ['rm'],
    load: async () => {
      const { removeCommand } = await import('./registry/remove.ts')
      return (context) => [removeCommand(context)]
    },
  },
  {
    names: ['ca'],
    load: async () => {
      const { caCommand } = await import('./ca/commands.ts')
      return (context) => [caCommand(context)]
    },
  },
  {
    names: ['image'],
    load: async () => {
      const { imageCommand } = await import('./image/commands.ts')
      return (context) => [imageCommand(context)]
    },
  },
  {
    names: ['audit'],
    load: async () => {
      const { auditCommand } = await import('./audit/commands.ts')
      return (context) => [auditCommand(context)]
    },
  },
  {
    names: ['policy'],
    load: async () => {
      const { policyCommand } = await import('./policy/command.ts')
      return (context) => [policyCommand(context)]
    },
  },
  {
    names: ['user', 'robot', 'auth'],
    load: async () => (await import('./access/commands.ts')).accessCommands,
  },
  {
    names: ['gc', 'fsck', 'backup', 'restore'],
    load: async () => (await import('./maintenance/commands.ts')).maintenanceCommands,
  },
  {
    names: ['version'],
    load: async () => {
      const { versionCommand } = await import('./version.ts')
      return (context) => [versionCommand(context)]
    },
  },
]

/** The command of that name alone; all of them where none has it, for help, suggestions and completion. */
export async function loadCommands(name: string | undefined): Promise<CommandMaker> {
  const entry = table.find(({ names }) => name !== undefined && names.includes(name))
  if (entry !== undefined) return entry.load()
  const makers = await Promise.all(table.map(({ load }) => load()))
  const { completionCommand } = await import('./completion.ts')
  return (context, program) => [
    ...makers.flatMap((make) => make(context, program)),
    completionCommand(context, program),
  ]
}
