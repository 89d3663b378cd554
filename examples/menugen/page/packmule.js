// Packmule from a browser: the publishable key says which product this is, the session token who is in front of it.

const config = await (await fetch("/config")).json()
export const artist = config.artist

export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || `The answer was ${status}.`)
    this.status = status
    this.code = problem.code
  }
}

const token = () => sessionStorage.getItem("session") || ""
export const isSignedIn = () => token() !== ""
export const signOut = () => sessionStorage.removeItem("session")

function headers(more = {}) {
  return {"Packmule-Key": config.key, ...(token() && {"X-Session-Token": token()}), ...more}
}

async function answerOf(response) {
  const said = response.status === 204 ? null : await response.json().catch(() => ({}))
  if (!response.ok) throw new Refused(response.status, said)
  return said
}

export async function call(method, path, body, once = crypto.randomUUID()) {
  const more = {"Content-Type": "application/json", ...(method === "POST" && {"Idempotency-Key": once})}
  const wish = {method, headers: headers(more), ...(body !== undefined && {body: JSON.stringify(body)})}
  return answerOf(await fetch(config.url + path, wish))
}

// What only our own server can do for us.
export const own = async (method, path) => answerOf(await fetch(path, {method, headers: headers()}))

// One step of signing in or up. 401 is an answer: nobody is in yet, and `next` names the step that comes.
export async function authenticate(step, body) {
  const wish = {method: "POST", headers: headers({"Content-Type": "application/json"}), body: JSON.stringify(body)}
  const said = await (await fetch(`${config.url}/_allauth/app/v1/auth/${step}`, wish)).json()
  if (said.meta?.session_token) sessionStorage.setItem("session", said.meta.session_token)
  if (said.status === 200) return {done: true}
  const next = said.data?.flows?.find(flow => flow.is_pending)?.id
  if (said.status === 401 && next) return {next}
  throw new Refused(said.status, {detail: said.errors?.map(error => error.message).join(" ") || said.detail})
}

// Bytes go straight to the store.
export async function upload(bucket, file) {
  const wish = {bucket, name: file.name, content_type: "application/octet-stream", size: file.size}
  const made = await call("POST", "/v1/files", wish)
  const {method, url, headers: needed} = made.upload
  await answerOf(await fetch(url, {method, headers: needed, body: file}))
  await call("POST", `/v1/files/${made.id}/complete`)
  return made.id
}

// Call `changed` at once and whenever something happened, until it is over; returns a way to stop.
export function listen(path, changed) {
  let stream, stopped = false
  async function open() {
    if (stopped) return
    try {
      stream = new EventSource((await call("POST", path)).url)
    } catch {
      setTimeout(open, 3000)
      return
    }
    stream.addEventListener("changed", changed)
    stream.addEventListener("ended", () => { stream.close(); changed() })
    stream.addEventListener("reopen", () => { stream.close(); open() })
    stream.onerror = () => { if (stream.readyState === EventSource.CLOSED) setTimeout(open, 3000) }
  }
  open()
  return () => { stopped = true; stream?.close() }
}
