import type { fromJSON } from '@grpc/proto-loader'

const text = (id: number) => ({ type: 'string', id })
const flag = (id: number) => ({ type: 'bool', id })
const list = (type: string, id: number) => ({ rule: 'repeated', type, id })
const message = (fields: Record<string, { type: string; id: number; rule?: string }> = {}) => ({ fields })
const call = (name: string) => ({
  requestType: `${name}Request`,
  responseType: `${name}Response`,
  comment: '',
})

/**
 * The part of `runtime.v1` (k8s.io/cri-api, pkg/apis/runtime/v1/api.proto) that trow uses, with that file's
 * field numbers, in the JSON form of protobuf.js. Other fields are skipped when they arrive.
 */
export const criDescriptor = {
  nested: {
    runtime: {
      nested: {
        v1: {
          nested: {
            RuntimeService: { methods: { Version: call('Version'), Status: call('Status') } },
            ImageService: {
              methods: {
                ImageStatus: call('ImageStatus'),
                PullImage: call('PullImage'),
                RemoveImage: call('RemoveImage'),
              },
            },
            VersionRequest: message({ version: text(1) }),
            VersionResponse: message({
              version: text(1),
              runtime_name: text(2),
              runtime_version: text(3),
              runtime_api_version: text(4),
            }),
            StatusRequest: message({ verbose: flag(1) }),
            StatusResponse: message({ status: { type: 'RuntimeStatus', id: 1 } }),
            RuntimeStatus: message({ conditions: list('RuntimeCondition', 1) }),
            RuntimeCondition: message({ type: text(1), status: flag(2), reason: text(3), message: text(4) }),
            ImageSpec: message({ image: text(1) }),
            Image: message({
              id: text(1),
              repo_tags: list('string', 2),
              repo_digests: list('string', 3),
              pinned: flag(8),
            }),
            ImageStatusRequest: message({ image: { type: 'ImageSpec', id: 1 }, verbose: flag(2) }),
            ImageStatusResponse: message({ image: { type: 'Image', id: 1 } }),
            AuthConfig: message({ username: text(1), password: text(2) }),
            PullImageRequest: message({
              image: { type: 'ImageSpec', id: 1 },
              auth: { type: 'AuthConfig', id: 2 },
            }),
            PullImageResponse: message({ image_ref: text(1) }),
            RemoveImageRequest: message({ image: { type: 'ImageSpec', id: 1 } }),
            RemoveImageResponse: message(),
          },
        },
      },
    },
  },
} satisfies Parameters<typeof fromJSON>[0]
