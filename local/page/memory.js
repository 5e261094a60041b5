// What this browser keeps: for each client the ids of its last pictures, newest first; and, for a reload, the order.

const PICTURES = "generate-image.pictures";
const ORDER = "generate-image.order";
const MOST = 12;

export function pictureIds(client) {
  return read(localStorage, PICTURES)[client] ?? [];
}

export function rememberPicture(client, imageId) {
  const ids = pictureIds(client).filter((id) => id !== imageId);
  keepPictures(client, [imageId, ...ids].slice(0, MOST));
}

export function forgetPicture(client, imageId) {
  const ids = pictureIds(client).filter((id) => id !== imageId);
  keepPictures(client, ids);
}

function keepPictures(client, ids) {
  localStorage.setItem(PICTURES, JSON.stringify({ ...read(localStorage, PICTURES), [client]: ids }));
}

/** The order as it was last sent in this tab: a reload amid the wait must not lose its key. */
export function rememberedOrder() {
  return read(sessionStorage, ORDER);
}

export function rememberOrder(order) {
  sessionStorage.setItem(ORDER, JSON.stringify(order));
}

function read(storage, name) {
  try {
    return Object.assign(Object.create(null), JSON.parse(storage.getItem(name)));
  } catch {
    return Object.create(null);
  }
}
