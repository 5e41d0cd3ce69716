import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { attemptChanges } from '../../../src/metadata/postgres/attempt.ts'
import { isConflict, sqlState } from '../../../src/metadata/postgres/connection-errors.ts'
import { Connection } from '../../../src/metadata/postgres/connection.ts'
import { postgresChanges, type PostgresChangeName } from '../../../src/metadata/postgres/postgres-changes.ts'
import { prepareDatabase } from '../../../src/metadata/postgres/prepare-database.ts'
import { Overtaken, type Change } from '../../../src/metadata/rules/change.ts'
import { defaultOutboxBound } from '../../../src/metadata/rules/outbox-bound.ts'
import type { PostgresServer } from '../../support/postgres-server.ts'
import { contents, unwhole } from './registry-state.ts'
import { StoppingProxy } from './stopping-proxy.ts'

/** A change with its values. */
export interface Step {
  readonly name: PostgresChangeName
  readonly values: unknown
}

export interface Pair {
  readonly before: readonly Step[]
  readonly one: Step
  readonly other: Step
}

export interface Found {
  /** False: neither changes anything, in whichever order. */
  readonly isOfNote: boolean
  /** How often one of the pair was stopped, and the other ran meanwhile. */
  readonly interleavings: number
  readonly problems: readonly string[]
}

/** After so many, the change cannot be made: a row with its key is there. */
const mostConflicts = 20

interface Outcome {
  readonly results: readonly [string, string]
  readonly contents: string
}

/** The locks of changes lock nothing in a database where these come first. */
const noLocks = `
  create schema without_locks;
  create function without_locks.pg_advisory_xact_lock(bigint) returns void language sql as 'select';
  create function without_locks.pg_advisory_xact_lock(int, int) returns void language sql as 'select';
  create function without_locks.pg_advisory_xact_lock_shared(int, int) returns void language sql as 'select';`

/** Makes functions that put the tables back to how they were when they were kept; their statements are planned once. */
const keeping = `
  create function keep(world text) returns void language plpgsql as $$
  declare tables text[] := array(select relname::text from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'
      and relname not in ('change_log', 'change_log_floor', 'epoch', 'trow_schema'));
    each text; filled boolean; body text := '';
  begin
    execute format('create schema %I', world);
    foreach each in array tables loop
      execute format('create table %I.%I as table public.%I', world, each, each);
      execute format('select exists (select from public.%I)', each) into filled;
      body := body || format('if exists (select from public.%I) then delete from public.%I; end if; ', each, each);
      if filled then body := body || format('insert into public.%I overriding system value table %I.%I; ', each, world, each); end if;
    end loop;
    execute format('create function %I() returns void language plpgsql as %L', 'bring_back_' || world, 'begin ' || body || ' end');
  end $$;`

/** Runs pairs of changes on one database, one of them stopped before each of its statements in turn. */
export class Interleaver {
  readonly #proxy: StoppingProxy
  readonly #first: Connection
  readonly #second: Connection
  readonly #observer: Connection
  readonly #worlds = new Map<readonly Step[], string>()
  readonly #pid: number
  #runs = 0

  static async open(server: PostgresServer, locks: 'locks' | 'no locks'): Promise<Interleaver> {
    const url = new URL(await server.newDatabase())
    const name = url.pathname.slice(1)
    const preparing = await Connection.open({ connectionString: url.href })
    await prepareDatabase(preparing, { id: randomUUID() })
    await preparing.run(keeping)
    await preparing.run(`select keep('new')`)
    // Foreign keys look at what is put back in the wrong order.
    await preparing.run('alter table manifest drop constraint manifest_repository_id_fkey')
    if (locks === 'no locks') {
      await preparing.run(noLocks)
      await preparing.run(`alter database ${name} set search_path = without_locks, pg_catalog, public`)
    }
    preparing.close()
    const proxy = await StoppingProxy.start(server)
    const through = new URL(url)
    through.port = String(proxy.port)
    const open = ({ href }: URL): Promise<Connection> => Connection.open({ connectionString: href })
    const [first, second, observer] = [await open(through), await open(url), await open(url)]
    const { rows } = await second.run<{ pid: number }>('select pg_backend_pid() as pid')
    return new Interleaver({ proxy, first, second, observer, pid: rows[0]?.pid ?? 0 })
  }

  private constructor(parts: {
    readonly proxy: StoppingProxy
    readonly first: Connection
    readonly second: Connection
    readonly observer: Connection
    readonly pid: number
  }) {
    this.#proxy = parts.proxy
    this.#first = parts.first
    this.#second = parts.second
    this.#observer = parts.observer
    this.#pid = parts.pid
  }

  close(): void {
    for (const connection of [this.#first, this.#second, this.#observer]) connection.close()
    this.#proxy.close()
  }

  /**
   * What comes out must be whole, and what comes out where one of the two runs after the other. `isEnough`: no later
   * interleavings are tried.
   */
  async run(
    pair: Pair,
    { isEnough }: { readonly isEnough?: (problems: readonly string[]) => boolean } = {},
  ): Promise<Found> {
    const { one, other } = pair
    await this.#bringBack(pair.before)
    const untouched = await this.#look()
    const serial = await this.#serial(pair)
    const problems: string[] = []
    const found = (interleavings: number, isOfNote = true): Found => ({ isOfNote, interleavings, problems })
    if (serial.every((outcome) => outcome.contents === untouched)) return found(0, false)
    for (let stopAt = 0; ; stopAt++) {
      if (isEnough?.(problems)) return found(stopAt)
      const outcome = await this.#interleave(pair, stopAt)
      if (outcome === undefined) return found(stopAt)
      const wrong = await unwhole(this.#observer, [one.name, other.name])
      if (!isAmong(outcome, serial)) wrong.push(`neither order gives ${differences(outcome, serial)}`)
      problems.push(...wrong.map((what) => `${one.name} stopped at ${stopAt} beside ${other.name}: ${what}`))
    }
  }

  /** Both in one transaction, as changes that arrive together: undefined, or what is wrong. */
  async together(pair: Pair): Promise<string | undefined> {
    const { one, other } = pair
    const serial = await this.#serial(pair)
    await this.#bringBack(pair.before)
    const batch = [one, other].map(({ name, values }) => ({
      change: postgresChanges[name] as unknown as Change<unknown, unknown>,
      values,
    }))
    let results: readonly unknown[]
    try {
      results = (await attemptChanges(this.#second, batch, defaultOutboxBound)).results
    } catch {
      // Nothing was changed: they are tried one by one.
      return undefined
    }
    const [first = '', second = ''] = results.map(shown)
    const outcome: Outcome = { results: [first, second], contents: await this.#look() }
    return isAmong(outcome, serial) ? undefined : `${one.name} with ${other.name}`
  }

  /** Undefined: `one` has fewer statements. */
  async #interleave({ before, one, other }: Pair, stopAt: number): Promise<Outcome | undefined> {
    await this.#bringBack(before)
    const stopped = this.#proxy.stopBefore(stopAt).then(() => 'stopped' as const)
    const running = this.#attempt(this.#first, one)
    const isStopped = (await Promise.race([stopped, running.then(() => 'ended' as const)])) === 'stopped'
    if (!isStopped) {
      this.#proxy.go()
      return undefined
    }
    let isDone = false
    const beside = this.#attempt(this.#second, other).finally(() => (isDone = true))
    do await sleep(2)
    while (!isDone && !(await this.#isWaiting()))
    this.#proxy.go()
    // Who finds the audit log taken comes again.
    const results = [
      await running.then(async (result) =>
        result.includes('ChainTaken') ? this.#attempt(this.#first, one) : result,
      ),
      await beside.then(async (result) =>
        result.includes('ChainTaken') ? this.#attempt(this.#second, other) : result,
      ),
    ] as const
    return { results, contents: await this.#look() }
  }

  /** What comes out in both orders. */
  async #serial({ before, one, other }: Pair): Promise<readonly [Outcome, Outcome]> {
    const run = (each: Step): Promise<string> => this.#attempt(this.#second, each)
    await this.#bringBack(before)
    const results = [await run(one), await run(other)] as const
    const oneFirst = { results, contents: await this.#look() }
    await this.#bringBack(before)
    const last = await run(other)
    return [oneFirst, { results: [await run(one), last], contents: await this.#look() }]
  }

  /** Repeats the change as the runner does. Resolves to its result, or to the name of its error. */
  async #attempt(connection: Connection, { name, values }: Step): Promise<string> {
    const change = postgresChanges[name] as unknown as Change<unknown, unknown>
    for (let conflicts = 0; ; conflicts++) {
      try {
        const { results } = await attemptChanges(connection, [{ change, values }], defaultOutboxBound)
        return shown(results[0])
      } catch (error) {
        if ((isConflict(error) || error instanceof Overtaken) && conflicts < mostConflicts) continue
        // A blob that is gone when it is to be linked is an outcome that no order gives.
        const isOutcome = isConflict(error) || sqlState(error) === '23502'
        if (error instanceof Error && 'severity' in error && !isOutcome) throw error
        return `${String(error)}`
      }
    }
  }

  async #isWaiting(): Promise<boolean> {
    const { rows } = await this.#observer.run(
      `select 1 from pg_stat_activity where pid = $1 and wait_event_type = 'Lock'`,
      [this.#pid],
      'waiting',
    )
    return rows.length > 0
  }

  async #bringBack(before: readonly Step[]): Promise<void> {
    let world = this.#worlds.get(before)
    if (world === undefined) {
      await this.#observer.run('select bring_back_new()')
      for (const each of before) await this.#attempt(this.#second, each)
      world = `world${this.#worlds.size}`
      await this.#observer.run(`select keep('${world}')`)
      this.#worlds.set(before, world)
    }
    await this.#observer.run(`select bring_back_${world}()`, [], world)
    this.#runs += 1
    if (this.#runs % 500 === 0)
      await this.#observer.run('truncate change_log').then(() => this.#observer.run('vacuum'))
  }

  async #look(): Promise<string> {
    const { rows } = await this.#observer.run<{ contents: string | null }>(contents, [], 'contents')
    return rows[0]?.contents ?? ''
  }
}

/** Without times of the engine, cursors, what a collector says to have freed, and the random names of new histories. */
function shown(result: unknown): string {
  const hidden = ['at', 'next', 'bytes']
  const text = JSON.stringify(result, (key, value: unknown) => (hidden.includes(key) ? undefined : value))
  return text?.replaceAll(/[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}/g, 'a new one') ?? 'nothing'
}

function isAmong(outcome: Outcome, serial: readonly Outcome[]): boolean {
  return serial.some((each) => JSON.stringify(each) === JSON.stringify(outcome))
}

/** What none of the orders has, and what each of them has instead. */
function differences(outcome: Outcome, serial: readonly Outcome[]): string {
  const lines = ({ results, contents: text }: Outcome): readonly string[] => [...results, ...text.split('\n')]
  const own = lines(outcome)
  const more = own.filter((line) => !serial.every((each) => lines(each).includes(line)))
  const less = serial.map((each) => lines(each).filter((line) => !own.includes(line)))
  return `${more.join(' + ')} (but ${less.map((each) => each.join(' + ')).join(' or ')})`
}
