// Uses the types that openapi-typescript generates, as the strict compiler sees them.
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

const client = createClient<paths>({ baseUrl: process.argv[2] });
const path = { client_id: "1" };

const request: components["schemas"]["ImageRequest"] = {
  nextModule: "next",
  config: { credentials_id: "credencial-openai" },
  data: { prompt_image: "Un faro al anochecer", pedido: { numero: 4711 } },
};
const bought = await client.POST("/clients/{client_id}/images", {
  params: { path, header: { "Idempotency-Key": "typescript-1", Prefer: "wait=20" } },
  body: request,
});
if (!bought.data || !("_meta_" in bought.data)) throw new Error(JSON.stringify(bought.error));
const image_id: string = bought.data._meta_.image_id;

const found = await client.GET("/clients/{client_id}/images/{image_id}", { params: { path: { ...path, image_id } } });
if (!found.data || !("_meta_" in found.data)) throw new Error(JSON.stringify(found.error));

const refused = await client.POST("/clients/{client_id}/images", {
  params: { path },
  body: { config: { credentials_id: "missing", prompt: "A lighthouse" } },
});
if (!refused.error || !("code" in refused.error)) throw new Error(String(refused.response.status));
const code: components["schemas"]["ErrorCode"] = refused.error.code;

const { data, _meta_ } = found.data;
console.log(JSON.stringify([data.urlPath, data["pedido"], _meta_.model, code]));
