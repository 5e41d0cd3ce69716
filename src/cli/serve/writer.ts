import { workerData } from 'node:worker_threads'
import { runWriter, type WriterStart } from '../../metadata/sql/writer-thread.ts'

runWriter(workerData as WriterStart)
