// Reporter for node --test: one JSON line with the counts of the run and what failed in it.
import path from 'node:path'

/** The first lines of an assertion say what was found. */
const ERROR_LINES = 12

// biome-ignore lint/style/noDefaultExport: node --test takes the default export of a reporter
export default async function* countReporter(source) {
  const failures = []
  for await (const { type, data } of source) {
    // a suite fails because a test in it did
    if (type === 'test:fail' && data.details?.error?.failureType !== 'subtestsFailed') {
      const { error } = data.details
      const message = String(error?.cause?.message ?? error?.message ?? error)
      failures.push({
        name: data.name,
        file: data.file && path.relative(process.cwd(), data.file),
        line: data.line,
        error: message.split('\n').slice(0, ERROR_LINES).join('\n')
      })
    }
    // the summary without a file is that of the whole run
    if (type === 'test:summary' && data.file === undefined) {
      const { passed, failed, cancelled, skipped, todo } = data.counts
      const counts = { passed, failed: failed + cancelled, skipped: skipped + todo, failures }
      yield `${JSON.stringify(counts)}\n`
    }
  }
}
