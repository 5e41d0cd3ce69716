import type { MachineFiles } from '../machine-files.ts'
import { ownProvider, type Kubelet } from './kubelet.ts'

/** Returns the commands for a node whose kubelet was started without credential providers, ready to copy. */
export async function flagCommands(
  files: MachineFiles,
  distribution: string,
  { unit, home }: Pick<Kubelet, 'unit' | 'home'>,
): Promise<string> {
  const { config, folder } = ownProvider(home)
  const flags = [
    `--image-credential-provider-config=${config}`,
    `--image-credential-provider-bin-dir=${folder}`,
  ]
  switch (distribution) {
    case 'k0s':
      return `k0s install worker (or controller) --force with all its flags and --kubelet-extra-args="${flags.join(' ')}"; then systemctl restart ${unit}`
    case 'microk8s':
      return `printf '%s\\n' ${flags.join(' ')} >> /var/snap/microk8s/current/args/kubelet && snap restart microk8s.daemon-kubelite`
    case 'minikube':
      return `minikube start ${flags.map((flag) => `--extra-config=kubelet.${flag.slice(2)}`).join(' ')}`
    case 'digitalocean':
      return 'DigitalOcean gives its kubelets no flags of users: these nodes go on pulling as nodes.'
    case 'aks':
    case 'eks':
      return `Its kubelets usually have them: see ps -o args -C kubelet. Else give ${flags.join(' ')} in the node template's user data.`
    default:
      return kubeadmCommand(files, unit, flags.join(' '))
  }
}

/** kubeadm's unit reads KUBELET_EXTRA_ARGS from one of two files; systems with RPM have the second one. */
async function kubeadmCommand(files: MachineFiles, unit: string, flags: string): Promise<string> {
  const [debian, redHat] = ['/etc/default/kubelet', '/etc/sysconfig/kubelet']
  const isRedHat =
    (await files.kind(debian)) === undefined && (await files.kind('/etc/sysconfig')) !== undefined
  const file = isRedHat ? redHat : debian
  const restart = `systemctl restart ${unit}`
  const text = (await files.read(file)) ?? ''
  return /^KUBELET_EXTRA_ARGS=/m.test(text)
    ? `sed -i 's|^KUBELET_EXTRA_ARGS="\\{0,1\\}|&${flags} |' ${file} && ${restart}`
    : `echo 'KUBELET_EXTRA_ARGS="${flags}"' >> ${file} && ${restart}`
}
