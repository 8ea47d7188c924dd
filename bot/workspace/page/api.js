// Calls to the workspace: the page's session says who calls.

export class Refused extends Error {
  constructor(answer) {
    super(answer.error || "unknown");
    this.answer = answer;
  }
}

export async function call(method, body = {}) {
  let answer;
  for (let tries = 0; ; tries += 1) {
    const response = await fetch(`/page/api/${method}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    if (response.status === 429 && tries < 2) {
      const wait = Number(response.headers.get("Retry-After") || 1);
      await new Promise((resolve) => setTimeout(resolve, wait * 1000));
      continue;
    }
    answer = await response.json().catch(() => ({ ok: false, error: `http_${response.status}` }));
    break;
  }
  if (!answer.ok) throw new Refused(answer);
  return answer;
}

export async function upload(file, progress) {
  const slot = await call("files.getUploadURLExternal", { filename: file.name, length: file.size });
  await new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", new URL(slot.upload_url).pathname);
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) progress(event.loaded / event.total);
    });
    request.addEventListener("load", () => {
      if (request.status === 200) resolve();
      else reject(new Refused({ error: request.status === 413 ? "file_upload_size_restricted" : "upload_failed" }));
    });
    request.addEventListener("error", () => reject(new Refused({ error: "upload_failed" })));
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.send(file);
  });
  return slot.file_id;
}

const SENTENCES = {
  operation_timeout: "The app did not answer in time. Is the bot running?",
  not_in_channel: "Join the channel first.",
  channel_not_found: "That conversation is not visible to you.",
  file_upload_size_restricted: "The file is larger than 250 MB.",
  upload_failed: "The upload failed. Please try again.",
  msg_too_long: "The message is longer than 40,000 characters.",
  cant_update_message: "Only the author can change a message.",
  cant_delete_message: "Only the author can delete a message.",
  already_in_channel: "They are in this channel already.",
  ura_max_channels: "Guests and partners cannot be brought into this channel.",
  unknown_command: "There is no such command here. /phi3 help says what there is.",
  invalid_command: "A command looks like /phi3 followed by words.",
  not_allowed: "Only the person who shared the file can replace it.",
};

export function sentence(error) {
  if (error instanceof Refused) return SENTENCES[error.message] || `That did not work (${error.message}).`;
  return "The workspace does not answer. Is it still running?";
}

export function listen(onNews, onState) {
  const source = new EventSource("/page/news");
  let opened = false;
  source.addEventListener("open", () => { onState(opened ? "again" : "first"); opened = true; });
  source.addEventListener("error", () => onState("lost"));
  source.addEventListener("message", (event) => onNews(JSON.parse(event.data)));
}
