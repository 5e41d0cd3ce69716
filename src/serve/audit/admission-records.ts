import type { Announced } from '../../audit/admission-event.ts'
import type { AdmissionDoor } from '../../http/admission-routes.ts'
import type { Outbox } from '../../metadata/outbox.ts'

/** Keeps the reports of admission pods in the outboxes of the audit log. */
export function admissionRecords(
  outbox: Outbox,
  announce: (changes: readonly Announced[]) => void,
): AdmissionDoor['records'] {
  return {
    async keep(records) {
      const texts = (log: 'changes' | 'denials'): string[] =>
        records.filter((record) => record.log === log).map(({ text }) => text)
      const [changes, denials] = [texts('changes'), texts('denials')]
      const now = Date.now()
      if (changes.length > 0) await outbox.record(changes, now)
      if (denials.length > 0) await outbox.denials.record(denials, now)
    },
    announce: (changes) => {
      if (changes.length > 0) announce(changes)
    },
  }
}
