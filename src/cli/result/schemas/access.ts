import { z } from 'zod'
import { actions } from '../../../access/principal.ts'
import { document, list, time } from './document.ts'

const action = z.enum(actions)

const robot = {
  name: z.string(),
  username: z.string().describe('what clients log in with'),
  description: z.string().optional(),
  grants: z.array(z.object({ repositories: z.array(z.string()), actions: z.array(action) })),
  credentialId: z.string().describe('as the audit log names the secret'),
  createdAt: time,
  expiresAt: time.optional().describe('absent: never'),
}

const user = { name: z.string(), cost: z.int().describe('of bcrypt') }

const accessFinding = {
  rule: z.int().describe('counted from 1'),
  level: z.string(),
  message: z.string(),
}

export const accessResults = {
  User: document('User', 'A line of trow user list', user),
  UserList: list('UserList', 'trow user list', z.object(user)),
  UserChange: document('UserChange', 'trow user add, passwd, rm', {
    name: z.string(),
    file: z.string(),
    change: z.enum(['added', 'changed', 'removed']),
  }),
  Robot: document('Robot', 'A line of trow robot list', robot),
  RobotList: list('RobotList', 'trow robot list', z.object(robot)),
  RobotCreation: document('RobotCreation', 'trow robot create', {
    ...robot,
    password: z.string().describe('shown only now'),
  }),
  RobotRevocation: document('RobotRevocation', 'trow robot revoke', {
    name: z.string(),
    username: z.string(),
  }),
  AccessExplanation: document('AccessExplanation', 'trow auth explain; a denial ends with 77', {
    caller: z.object({ kind: z.string(), name: z.string(), groups: z.array(z.string()) }),
    action,
    repository: z.string(),
    decision: z
      .enum(['allowed', 'denied', 'robot-scope', 'cluster'])
      .describe("robot-scope, cluster: no rule decides, but the robot's own scope or the cluster"),
    reason: z.string(),
    rule: z.int().optional().describe('the rule that decides, counted from 1'),
    ask: z.string().optional().describe('a command that asks the cluster the same'),
  }),
  Login: document('Login', 'trow login', {
    host: z.string(),
    method: z
      .enum(['password', 'token', 'helper', 'certificate'])
      .describe('helper: docker-credential-trow is asked for a token each time'),
    username: z.string().optional().describe('of a password or a certificate'),
    origin: z.string().optional().describe('whose token it is'),
    until: time.optional().describe('absent: not known'),
    files: z.array(z.string()).describe('where it was written'),
  }),
  Logout: document('Logout', 'trow logout', {
    host: z.string(),
    wasLoggedIn: z.boolean(),
    undone: z.array(z.string()).describe('what was taken back'),
  }),
  AccessFinding: document('AccessFinding', 'A line of trow auth lint', accessFinding),
  AccessFindingList: list('AccessFindingList', 'trow auth lint', z.object(accessFinding)),
}
