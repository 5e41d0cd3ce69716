import type { AuditActor, AuditNote } from './event.ts'

/** Longest texts, in UTF-16 units; what is longer ends in `…`. Most groups, and the rest is left out. */
const longest = { name: 256, text: 1024, id: 128, userAgent: 256, address: 64 } as const
const mostGroups = 32

/** A note as the text that travels with a change. Only what AuditNote names is taken, and no more of it than is sane. */
export function encodeNote(note: AuditNote): string {
  return JSON.stringify(bounded(note))
}

/** Undefined where it is no note. */
export function decodeNote(text: string): AuditNote | undefined {
  try {
    const note = JSON.parse(text) as AuditNote
    return typeof note.id === 'string' && typeof note.time === 'number' && typeof note.actor === 'object'
      ? bounded(note)
      : undefined
  } catch {
    return undefined
  }
}

function bounded(note: AuditNote): AuditNote {
  const { client, request } = note
  return {
    id: cut(note.id, longest.id),
    time: note.time,
    action: cut(note.action, longest.id),
    outcome: note.outcome,
    reason: cut(note.reason, longest.text),
    actor: boundedActor(note.actor),
    repository: optional(note.repository, longest.name),
    reference: optional(withoutQuery(note.reference), longest.name),
    client: {
      address: cut(client.address, longest.address),
      userAgent: cut(client.userAgent, longest.userAgent),
    },
    request: {
      id: cut(request.id, longest.id),
      method: cut(request.method, longest.id),
      route: cut(withoutQuery(request.route) ?? '', longest.name),
    },
    status: note.status,
    ...(note.facts !== undefined && { facts: note.facts }),
  }
}

function boundedActor(actor: AuditActor): AuditActor {
  const { serviceAccount } = actor
  return {
    name: cut(actor.name, longest.name),
    groups: actor.groups.slice(0, mostGroups).map((group) => cut(group, longest.name)),
    kind: cut(actor.kind, longest.id),
    credentialId: optional(actor.credentialId, longest.id),
    serviceAccount: serviceAccount && {
      namespace: cut(serviceAccount.namespace, longest.name),
      name: cut(serviceAccount.name, longest.name),
    },
    pod: optional(actor.pod, longest.name),
    node: optional(actor.node, longest.name),
  }
}

/** A query string may hold a signature or a token. */
function withoutQuery(text: string | undefined): string | undefined {
  return text?.split('?', 1)[0]
}

function optional(text: string | undefined, length: number): string | undefined {
  return text === undefined ? undefined : cut(text, length)
}

function cut(text: string, length: number): string {
  const whole = text.length <= length ? text : `${text.slice(0, length - 1)}…`
  return whole.toWellFormed()
}
