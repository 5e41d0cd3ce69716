import assert from 'node:assert/strict'
import {
  admissionNames,
  admissionPorts,
  floorParts,
  webhookEntries,
} from '../../src/cluster/admission-layout.ts'
import { ClusterFault } from '../../src/cluster/cluster-fault.ts'
import type { KubeObject } from '../../src/cluster/cluster-objects.ts'
import { dataOf } from '../../src/cluster/config-data.ts'
import { CredentialSource } from '../../src/cluster/credential-source.ts'
import { loadKubeContext } from '../../src/cluster/kubeconfig.ts'
import { connectObjects, type OpenClusterObjects } from '../../src/cluster/kubernetes-objects.ts'
import { webhookEntriesOf, webhookReference } from '../../src/cluster/webhook-configuration.ts'
import { eventually } from '../support/program.ts'
import { histogramIn, type Histogram } from './histogram.ts'
import type { InstallFixture } from './install-fixture.ts'

const ofAdmission = 'app.kubernetes.io/component=admission'
const roleReference = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole' }

export const container = (image: string, name = 'app'): object => ({
  name,
  image,
  imagePullPolicy: 'IfNotPresent',
})

export function podIn(namespace: string, name: string, image: string, spec: object = {}): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace },
    spec: { terminationGracePeriodSeconds: 0, containers: [container(image)], ...spec },
  }
}

/** The admission of pods in a cluster with trow: asks it, and brings it into a given state. */
export class AdmissionDoor {
  readonly objects: OpenClusterObjects
  readonly #trow: InstallFixture
  readonly #namespace: string

  private constructor(trow: InstallFixture, objects: OpenClusterObjects, namespace: string) {
    this.#trow = trow
    this.objects = objects
    this.#namespace = namespace
  }

  /** `namespace`: in which it is asked. */
  static async open(trow: InstallFixture, namespace: string): Promise<AdmissionDoor> {
    const context = loadKubeContext({ env: {}, cwd: '/', kubeconfig: trow.kubeconfig })
    const credentials = new CredentialSource(context, { env: {}, interactive: false, now: Date.now })
    return new AdmissionDoor(
      trow,
      await connectObjects({ context, credentials, manager: 'doors' }),
      namespace,
    )
  }

  close(): Promise<void> {
    return this.objects.close()
  }

  /** Undefined: it would be made. */
  async refusal(object: KubeObject): Promise<string | undefined> {
    try {
      await this.objects.apply(object, { dryRun: true, force: true })
      return undefined
    } catch (error) {
      if (!(error instanceof ClusterFault)) throw error
      return error.message
    }
  }

  /** Repeats the question until both admission pods must have answered. */
  async everyReviewSays(image: string, pattern: RegExp): Promise<void> {
    for (let index = 0; index < 6; index++)
      assert.match((await this.refusal(podIn(this.#namespace, 'probe', image))) ?? '', pattern)
  }

  /** Rejects with ProgramError. */
  create(object: object, ...flags: readonly string[]): Promise<string> {
    return this.#trow.cluster.kubectl(['create', ...flags, '-f', '-'], { stdin: JSON.stringify(object) })
  }

  async failurePolicy(): Promise<string | undefined> {
    const object = await this.objects.get(webhookReference)
    return (
      object && webhookEntriesOf(object).find(({ name }) => name === webhookEntries.pods.name)?.failurePolicy
    )
  }

  async scale(replicas: number): Promise<void> {
    const workload = `deployment/${admissionNames.workload}`
    const inTrow = (...args: readonly string[]): Promise<string> => this.#trow.kubectl('-n', 'trow', ...args)
    await inTrow('scale', workload, `--replicas=${replicas}`)
    if (replicas > 0) return void (await inTrow('rollout', 'status', workload, '--timeout=90s'))
    await inTrow('delete', 'pod', '-l', ofAdmission, '--grace-period=0', '--force')
  }

  /** Reads how long the API server has waited for the webhook, and how long the present admission pods have taken. */
  async times(): Promise<{ readonly apiServer: Histogram; readonly pods: Histogram }> {
    const names = await this.#trow.kubectl('-n', 'trow', 'get', 'pod', '-l', ofAdmission, '-o', 'name')
    const texts: string[] = []
    for (const name of names.trim().split('\n')) {
      const pod = `/api/v1/namespaces/trow/pods/${name.replace('pod/', '')}:${admissionPorts.metrics}`
      texts.push(await this.#trow.kubectl('get', '--raw', `${pod}/proxy/metrics`))
    }
    const { name, path } = webhookEntries.pods
    const theirs = 'apiserver_admission_webhook_admission_duration_seconds'
    return {
      apiServer: histogramIn(
        [await this.#trow.kubectl('get', '--raw', '/metrics')],
        theirs,
        `name="${name}"`,
      ),
      pods: histogramIn(texts, 'trow_admission_review_duration_seconds', `path="${path}"`),
    }
  }

  /** Asserts that nothing of trow is left that could refuse a pod. `bad`: an image that was refused. */
  async isGone(bad: string): Promise<void> {
    const kinds = 'validatingwebhookconfiguration,validatingadmissionpolicy,validatingadmissionpolicybinding'
    const left = await this.#trow.kubectl('get', kinds, '-o', 'name')
    assert.equal(left.trim(), '')
    assert.equal(await this.refusal(podIn(this.#namespace, 'free', bad)), undefined)
  }

  /**
   * Removes the floor, and the right to make it, since the API server asks the floor before the webhook. `bad`: an image that
   * is refused.
   */
  async withoutFloor(bad: string): Promise<void> {
    const [binding] = floorParts
    const role = { ...roleReference, name: admissionNames.workload }
    const { metadata, rules } = (await this.objects.get(role)) as unknown as {
      metadata: { labels: object }
      rules: { resourceNames?: string[] }[]
    }
    const others = rules.filter(({ resourceNames }) => resourceNames?.includes(binding.name) !== true)
    assert.equal(others.length, rules.length - 1)
    // The field manager is that of install. Otherwise the next install would report a conflict.
    const changed = {
      ...roleReference,
      metadata: { name: role.name, labels: metadata.labels },
      rules: others,
    }
    await this.#trow.cluster.kubectl(['apply', '--server-side', '--field-manager=trow', '-f', '-'], {
      stdin: JSON.stringify(changed),
    })
    await eventually(async () => {
      await this.objects.delete(binding)
      assert.match((await this.refusal(podIn(this.#namespace, 'probe', bad))) ?? '', /webhook/)
    }, 30_000)
  }

  /** Installs trow without admission pods, as the release before did. */
  async installBefore(): Promise<void> {
    const early = await this.#trow.install('--admission', 'off')
    assert.equal(early.code, 0, early.stderr)
    const map = { apiVersion: 'v1', kind: 'ConfigMap', namespace: 'trow', name: 'trow-install' }
    const data = dataOf(await this.objects.get(map))
    const { admission, ...before } = JSON.parse(data['settings.json'] ?? '') as Record<string, unknown>
    assert.equal(admission, false)
    const patch = JSON.stringify({ data: { 'settings.json': JSON.stringify(before) } })
    const flags = ['--field-manager=trow', '--type=merge', '-p', patch]
    await this.#trow.kubectl('-n', 'trow', 'patch', 'configmap', map.name, ...flags)
  }
}
