import { workerData } from 'node:worker_threads'
import { runWriter, type WriterStart } from '../../metadata/sqlite/writer-thread.ts'

runWriter(workerData as WriterStart)
