import { accessResults } from './schemas/access.ts'
import { auditResults } from './schemas/audit.ts'
import { clusterResults } from './schemas/cluster.ts'
import { commonResults } from './schemas/common.ts'
import { maintenanceResults } from './schemas/maintenance.ts'
import { policyResults } from './schemas/policy.ts'
import { registryResults } from './schemas/registry.ts'

/** Every kind of result, by its name. Commands use the types alone, so that they start without zod. */
export const resultSchemas = {
  ...accessResults,
  ...auditResults,
  ...clusterResults,
  ...commonResults,
  ...maintenanceResults,
  ...policyResults,
  ...registryResults,
}
