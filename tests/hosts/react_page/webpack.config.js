import { join } from "node:path";

export default {
  entry: "./src/main.tsx",
  output: { path: join(import.meta.dirname, "dist"), filename: "main.js", clean: true },
  resolve: { extensions: [".tsx", ".ts", ".js"] },
  module: {
    rules: [
      { test: /\.tsx?$/, exclude: /node_modules/, use: "babel-loader" },
      { test: /\.css$/, use: ["style-loader", "css-loader"] },
    ],
  },
  stats: "errors-warnings",
};
