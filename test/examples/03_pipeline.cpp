#include <tombolo/tombolo.hpp>

#include <chrono>
#include <iostream>
#include <string>
#include <utility>

using namespace std::chrono_literals;
namespace tb = tombolo;

// lines -> words -> word lengths: each stage is a task of its own, and a stage that is slow makes those before it wait.

void split(tb::receiver<std::string> lines, tb::sender<std::string> words) {
    for (std::string& line : lines) {
        std::string word;
        for (char c : line + ' ') {
            if (c != ' ')
                word += c;
            else if (!word.empty())
                words.send(std::exchange(word, {}));
        }
    }
}  // both handles close here: that is how the next stage learns that nothing more will come

void measure(tb::receiver<std::string> words, tb::sender<std::pair<std::string, std::size_t>> lengths) {
    for (std::string& word : words) {
        tb::sleep_for(1ms);  // something slow
        const std::size_t length = word.size();
        lengths.send({std::move(word), length});
    }
}

int main() {
    tb::run([] {
        auto [lines_in, lines_out] = tb::open_channel<std::string>(0);  // a rendezvous
        auto [words_in, words_out] = tb::open_channel<std::string>(4);  // four may wait
        auto [lengths_in, lengths_out] = tb::open_channel<std::pair<std::string, std::size_t>>(4);

        tb::open_nursery([&](tb::nursery& n) {
            n.start_soon([in = std::move(lines_out), out = std::move(words_in)]() mutable {
                split(std::move(in), std::move(out));
            });
            for (int i = 0; i < 3; ++i)  // three workers share the slow stage
                n.start_soon([in = words_out.clone(), out = lengths_in.clone()]() mutable {
                    measure(std::move(in), std::move(out));
                });
            words_out.close();
            lengths_in.close();
            n.start_soon([lines = std::move(lines_in)]() mutable {
                lines.send("a bar of sand");
                lines.send("ties an island to the mainland");
            });

            std::size_t words = 0;
            std::size_t letters = 0;
            for (auto& [word, length] : lengths_out) {
                ++words;
                letters += length;
            }
            std::cout << words << " words, " << letters << " letters\n";
        });
        std::cout << "at most " << lengths_out.statistics().max_buffer_size << " results had to wait\n";
    });
}
