// Reads what callgrind writes (https://valgrind.org/docs/manual/cl-format.html): instructions per function, and
// what each spent in the functions that it called.

/**
 * @param {string} text a callgrind.out file
 * @returns {{ name: string, object: string, self: number, calls: Map<object, number> }[]} of `calls`: instructions
 *   below each callee, for this caller
 */
export function readCallgrind(text) {
  const names = { ob: new Map(), fn: new Map() }
  const functions = new Map()
  const resolve = (kind, value) => {
    const [, id, name] = value.match(/^\((\d+)\)(?: (.*))?$/) ?? []
    if (id === undefined) {
      return value
    }
    if (name !== undefined) {
      names[kind].set(id, name)
    }
    return names[kind].get(id)
  }
  const of = (object, name) => {
    const key = `${object}\0${name}`
    let found = functions.get(key)
    if (found === undefined) {
      found = { name, object, self: 0, calls: new Map() }
      functions.set(key, found)
    }
    return found
  }
  let object = ''
  let current
  let calleeObject
  let callee
  let called = false
  for (const line of text.split('\n')) {
    const [, key, value] = line.match(/^(\w+)=(.*)$/) ?? []
    switch (key) {
      case 'ob':
        object = resolve('ob', value)
        break
      case 'fn':
        current = of(object, resolve('fn', value))
        break
      case 'cob':
        calleeObject = resolve('ob', value)
        break
      case 'cfn':
        callee = of(calleeObject ?? object, resolve('fn', value))
        calleeObject = undefined
        break
      case 'calls':
        called = true
        break
      case undefined: {
        const [, cost] = line.match(/^[+\-*]?\d* (\d+)$/) ?? []
        if (cost === undefined || current === undefined) {
          break
        }
        if (called) {
          current.calls.set(callee, (current.calls.get(callee) ?? 0) + Number(cost))
          called = false
        } else {
          current.self += Number(cost)
        }
        break
      }
    }
  }
  return [...functions.values()]
}
